/** Secrets that live in files, with a gateway as users run it: who gets them, who sees them, and how they change. */
import { describe, expect, test } from 'bun:test'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startEchoingUpstream } from '../support/echoing-upstreams.ts'
import { poll, repository, startGatewayProcess } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const server = [join(repository, 'test/support/environment-server.ts')]

/** What a tool has answered with, as text. */
async function textOf(client: RawClient, id: number, tool: string, args = {}): Promise<string> {
  const { answer } = await client.request(id, 'tools/call', { name: tool, arguments: args })
  const [content] = (answer.result?.['content'] ?? []) as { text: string }[]
  return content?.text ?? JSON.stringify(answer)
}

/** The same with a session of its own, as whoever comes next has. */
async function asked(url: URL, tool: string, token?: string): Promise<string> {
  await using client = await RawClient.open(url, token === undefined ? {} : { token })
  return await textOf(client, 1, tool)
}

/** Puts the files of a volume there as Kubernetes does: a new directory, and a link that is exchanged. */
function mount(volume: string, version: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(join(volume, `..${version}`), { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(volume, `..${version}`, name), text)
  symlinkSync(`..${version}`, join(volume, '..data_tmp'))
  renameSync(join(volume, '..data_tmp'), join(volume, '..data'))
}

describe('secrets in files', () => {
  test('reach servers, are shown as references, and change without a restart', async () => {
    using files = temporaryDirectory({ 'api/token': 'api-canary-1\n' })
    const volume = join(files.path, 'volume')
    mount(volume, 'one', { header: 'header-canary-1\n', env: 'env-canary-1\n', door: 'door-canary-1' })
    for (const name of ['header', 'env', 'door']) symlinkSync(`..data/${name}`, join(volume, name))
    await using upstream = startEchoingUpstream('legacy')
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: {
          auth: { global_tokens: [`\${file:${volume}/door}`] },
          secrets: { dirs: [join(files.path, 'api')], exec: 'on' },
        },
        mcps: [
          {
            name: 'web',
            transport: 'streamable-http',
            url: upstream.url,
            headers: { 'X-Key': `Bearer \${file:${volume}/header}`, 'X-Ran': '${exec:printf exec-canary}' },
          },
          {
            name: 'child',
            transport: 'stdio',
            command: process.execPath,
            args: server,
            env: { TOKEN: `\${file:${volume}/env}` },
            logEnabled: true,
          },
        ],
      },
    })
    const definition = (token: string) => ({
      name: 'sent',
      transport: 'streamable-http',
      url: upstream.url,
      headers: { 'X-Key': `\${file:${token}}` },
    })
    await gateway.register(definition(join(files.path, 'api/token')))
    for (const path of [join(volume, 'header'), `${files.path}/api/../volume/header`, '/etc/passwd']) {
      const refused = await gateway.admin('/mcps', {
        method: 'POST',
        body: { ...definition(path), name: 'other' },
      })
      expect(refused.status).toBe(400)
      expect(await refused.text()).toContain('does not lie in one of the directories of secrets.dirs')
    }

    const face = (name: string) => gateway.face(name, 'stream')
    expect(await asked(face('web'), 'echo', 'door-canary-1')).toContain('Bearer header-canary-1')
    expect(await asked(face('web'), 'echo', 'door-canary-1')).toContain('exec-canary')
    expect(await asked(face('sent'), 'echo', 'door-canary-1')).toContain('api-canary-1')
    await using child = await RawClient.open(face('child'), { token: 'door-canary-1' })
    expect(await textOf(child, 1, 'token')).toEndWith(' env-canary-1')
    const slow = textOf(child, 2, 'token', { ms: 4_000 })

    const shown = await (await gateway.admin('/mcps')).text()
    expect(shown).toContain(`\${file:${volume}/env}`)
    expect(shown).toContain(`Bearer \${file:${volume}/header}`)
    expect(shown).toContain(`\${file:${files.path}/api/token}`)
    expect(shown).toContain('${exec:printf exec-canary}')
    expect(shown.replaceAll('printf exec-canary', '')).not.toContain('canary')

    // All at once, as Kubernetes does, and one whose secret is written anew.
    mount(volume, 'two', { header: 'header-canary-2\n', env: 'env-canary-2\n', door: 'door-canary-1' })
    writeFileSync(join(files.path, 'api/token'), 'api-canary-2\n')
    const says = (url: URL, tool: string, text: string) =>
      poll(
        `${text} in use`,
        async () => (await asked(url, tool, 'door-canary-1').catch(String)).includes(text),
        8_000,
      )
    await says(face('web'), 'echo', 'header-canary-2')
    await says(face('sent'), 'echo', 'api-canary-2')
    await says(face('child'), 'token', 'env-canary-2')
    // What was in flight ends on the process that it began on.
    expect(await slow).toEndWith(' env-canary-1')

    // Gone: what was read last stays, and is told of once. A token that is another closes the door to the old one.
    rmSync(join(files.path, 'api/token'))
    mount(volume, 'three', { header: '', env: 'env-canary-2\n', door: 'door-canary-3' })
    await poll(
      'the new token',
      async () => {
        const url = face('web')
        const { status } = await fetch(url, {
          method: 'POST',
          headers: { authorization: 'Bearer door-canary-3' },
        })
        return status !== 401
      },
      8_000,
    )
    expect(await asked(face('sent'), 'echo', 'door-canary-3')).toContain('api-canary-2')
    expect(await asked(face('web'), 'echo', 'door-canary-3')).toContain('header-canary-2')
    await expect(RawClient.open(face('web'), { token: 'door-canary-1' })).rejects.toThrow('401')
    const kept = () => gateway.lines().filter((line) => line.includes('the value before it stays'))
    await poll('both warnings', async () => kept().length > 1, 8_000)
    expect(kept().map((line) => /(?:web|sent): headers\.X-Key: [^"]*/.exec(line)?.[0])).toEqual([
      `web: headers.X-Key: the file ${volume}/header is empty; write the secret into it`,
      `sent: headers.X-Key: cannot read ${files.path}/api/token: there is no such file; mount it, or correct the path`,
    ])
    const log = gateway.lines().join('\n').replaceAll('printf exec-canary', '')
    expect(log).toContain('secrets have changed')
    expect(log).toContain('my token is ***')
    expect(log).not.toContain('canary')
  }, 60_000)
})
