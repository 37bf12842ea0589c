/** Broken servers of every kind: what an operator reads of each, in the list and in its status, names cause and cure. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { join } from 'node:path'
import { type BrokenServer, type BrokenServers, startBrokenServers } from '../support/broken-servers.ts'
import { commandOf, poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { startProcess } from '../support/process.ts'
import { statusOf } from '../support/supervised.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

let broken: BrokenServers
let gateway: RunningGateway
const trust = temporaryDirectory()

function nameOf(_: BrokenServer, at: number): string {
  return `server-${at}`
}

beforeAll(async () => {
  broken = await startBrokenServers()
  const trusted = join(trust.path, 'trusted.pem')
  await Bun.write(trusted, broken.trusted)
  gateway = await startGatewayProcess({
    via: 'executable',
    untilReady: false,
    env: { NODE_EXTRA_CA_CERTS: trusted },
    config: {
      mcp_proxy: { timeouts: { stop_grace: '100ms' } },
      mcps: broken.all.map((server, at) => ({
        reconnectDelay: '60s',
        ...server.definition,
        name: nameOf(server, at),
      })),
    },
  })
})
afterAll(async () => {
  await gateway?.stop()
  await broken?.[Symbol.asyncDispose]()
  trust[Symbol.dispose]()
})

/** The reason of its status once it fits, or the last one there was. */
async function toldReason({ kind, says, starting }: BrokenServer, name: string): Promise<string> {
  let told = ''
  const state = starting === true ? 'connecting' : 'error'
  const fits = () => (typeof says === 'string' ? told === says : says.test(told))
  await poll(
    kind,
    async () => {
      const { status, reason } = await statusOf(gateway, name)
      told = reason ?? ''
      return status === state && fits()
    },
    8_000,
  ).catch(() => {})
  return fits() ? String(says) : told
}

test('the reason of each names the cause and the cure', async () => {
  const told = await Promise.all(
    broken.all.map(async (server, at) => [server.kind, await toldReason(server, nameOf(server, at))]),
  )
  expect(Object.fromEntries(told)).toEqual(
    Object.fromEntries(broken.all.map(({ kind, says }) => [kind, String(says)])),
  )
}, 20_000)

test('every reason is one line without control signs, and the list of servers shows it', async () => {
  const listed = startProcess({
    command: [...commandOf('executable'), 'servers', 'list', '--url', gateway.url],
    env: { HOME: gateway.directory },
  })
  expect(await listed.exited).toBe(0)
  const lines = listed.lines()
  for (const [at, { kind, says, starting }] of broken.all.entries()) {
    const { reason } = await statusOf(gateway, `server-${at}`)
    expect(reason).toMatch(/^[^\p{Cc}]{1,600}$/u)
    const line = lines.find((text) => text.startsWith(`server-${at} `)) ?? ''
    const shown = line.slice(line.search(starting === true ? /It is starting/ : /(?<=\s)\S.*$/))
    if (typeof says === 'string') expect(`${kind}: ${line}`).toEndWith(says)
    else expect(shown).not.toBe('')
  }
})
