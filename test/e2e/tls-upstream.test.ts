/** TLS towards servers: whose certificate is shown to whom, and what is said when it does not come about. */
import { describe, expect, test } from 'bun:test'
import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/load.ts'
import { certificatesIn } from '../support/certificates.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { startTlsServer } from '../support/tls-server.ts'

/** Whom the server takes the caller of its tool for. */
async function whoAt(gateway: RunningGateway, name: string): Promise<string> {
  await using client = await RawClient.open(gateway.face(name, 'stream'))
  const { answer } = await client.request(1, 'tools/call', { name: 'who', arguments: {} })
  return (answer.result?.['content'] as { text: string }[] | undefined)?.[0]?.text ?? JSON.stringify(answer)
}

async function reasonAt(gateway: RunningGateway, name: string): Promise<string> {
  const { status } = (await (await gateway.admin(`/mcps/${name}?wait=5s`)).json()) as {
    status: { reason: string }
  }
  return status.reason
}

describe('a server over TLS', () => {
  test('is shown the certificate of its definition and no other, at one host and port too, and a new one when the files change', async () => {
    using files = temporaryDirectory()
    const { ca, issue } = certificatesIn(files.path)
    const [own, alice, bob, carol] = ['own', 'alice', 'bob', 'carol'].map((name) => issue(name))
    if (!own || !alice || !bob || !carol) throw new Error('certificates')
    await using server = await startTlsServer({ ...own, clientCa: ca })
    const mounted = { cert: join(files.path, 'mounted.cert'), key: join(files.path, 'mounted.key') }
    symlinkSync(alice.cert, mounted.cert)
    symlinkSync(alice.key, mounted.key)
    const one = (name: string, tls?: object) => ({
      name,
      transport: 'streamable-http',
      url: server.url,
      headers: { Authorization: `Bearer ${name}-key-1` },
      ...(tls && { tls }),
    })
    await using gateway = await startGatewayProcess({
      via: 'executable',
      untilReady: false,
      config: {
        mcps: [
          one('alice', { ca, ...mounted }),
          one('bob', { ca, ...bob }),
          one('bare', { ca }),
          one('untrusting'),
        ],
      },
    })
    for (const name of ['alice', 'bob'])
      await poll(name, async () => (await reasonAt(gateway, name)) === null)
    const asked = Array.from({ length: 12 }, (_, at) => (at % 2 === 0 ? 'alice' : 'bob'))
    expect(await Promise.all(asked.map((name) => whoAt(gateway, name)))).toEqual(asked)
    for (const name of asked) expect(await whoAt(gateway, name)).toBe(name)
    // By the request: whoever came with that key has shown that certificate.
    const pairs = new Set(server.requests.map(({ who, authorization }) => `${who} ${authorization}`))
    expect([...pairs].sort()).toEqual(['alice Bearer alice-key-1', 'bob Bearer bob-key-1'])
    expect(await reasonAt(gateway, 'untrusting')).toContain('name the file in tls.ca of the server')
    expect(await reasonAt(gateway, 'bare')).toContain(
      'it may also ask for a client certificate, which tls.cert and tls.key',
    )

    const shown = await (await gateway.admin('/mcps/alice')).json()
    expect((shown as { definition: { tls: unknown } }).definition.tls).toEqual({ ca, ...mounted })
    const swap = (path: string, target: string) => {
      symlinkSync(target, `${path}.new`)
      renameSync(`${path}.new`, path)
    }
    swap(mounted.cert, carol.cert)
    swap(mounted.key, carol.key)
    await poll('carol', async () => (await whoAt(gateway, 'alice').catch(String)) === 'carol', 8_000)
    expect(await whoAt(gateway, 'bob')).toBe('bob')
    expect(gateway.lines().join('\n')).not.toContain('PRIVATE KEY')
  }, 60_000)

  test('is told at the start when its files are none, and over the API when they lie elsewhere', async () => {
    using files = temporaryDirectory({ 'no.pem': 'nothing', 'in/x.pem': 'nothing' })
    const { ca, issue } = certificatesIn(files.path)
    const [alice, bob] = [issue('alice'), issue('bob')]
    const definition = (tls: object) => ({
      name: 'web',
      transport: 'streamable-http',
      url: 'https://localhost:1/mcp',
      tls,
    })
    const rows = [
      { tls: { ca: join(files.path, 'no.pem') }, says: 'tls.ca holds no certificate in PEM form' },
      { tls: { ca: '/none.pem' }, says: 'tls.ca cannot read /none.pem: there is no such file' },
      {
        tls: { cert: alice.cert, key: bob.key },
        says: 'tls.key is not the key of the certificate in tls.cert',
      },
      { tls: { cert: alice.cert, key: alice.cert }, says: 'tls.key holds no private key in PEM form' },
      { tls: { cert: alice.cert }, says: 'tls needs cert and key, or neither of them' },
    ]
    for (const { tls, says } of rows) {
      using place = temporaryDirectory({ 'compozy.yaml': JSON.stringify({ mcps: [definition(tls)] }) })
      const sources = { flags: {}, environment: { HOME: place.path }, directory: place.path, terminal: false }
      await expect(loadConfig(sources)).rejects.toThrow(says)
    }
    await using gateway = await startGatewayProcess({
      config: { mcp_proxy: { secrets: { dirs: [join(files.path, 'in')] } } },
    })
    const refused = async (body: object) => {
      const answer = await gateway.admin('/mcps', { method: 'POST', body })
      return `${answer.status} ${await answer.text()}`
    }
    expect(await refused(definition({ ca }))).toMatch(
      /^400 .*tls.ca: .*does not lie in one of the directories/,
    )
    expect(
      await refused({ ...definition({ ca: join(files.path, 'in/x.pem') }), url: 'http://localhost:1/mcp' }),
    ).toMatch(/^400 .*tls: goes with an https url only/)
    rmSync(join(files.path, 'in/x.pem'))
    writeFileSync(join(files.path, 'in/x.pem'), await Bun.file(ca).text())
    expect(await refused(definition({ ca: join(files.path, 'in/x.pem') }))).toStartWith('201 ')
  })
})
