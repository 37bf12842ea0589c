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

test('a server that ends again and again is told as down all along, and answers whoever calls it while it is up', async () => {
  const program = `for await (const line of console) {
    const { id, method } = JSON.parse(line)
    const result = method === 'initialize'
      ? { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' } }
      : { content: [] }
    if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result }))
    if (method === 'tools/call') setTimeout(() => process.exit(7), 50)
  }`
  await using own = await startGatewayProcess({
    via: 'executable',
    config: {
      mcps: [
        {
          name: 'one',
          transport: 'stdio',
          command: process.execPath,
          args: ['-e', program],
          reconnectDelay: '100ms',
        },
      ],
    },
  })
  let answered = 0
  const call = async (): Promise<void> => {
    const body = { mcpName: 'one', toolName: 'any', arguments: {} }
    answered += (await own.admin('/tools/call', { method: 'POST', body })).status === 200 ? 1 : 0
  }
  const down = async (): Promise<boolean> => (await statusOf(own, 'one')).status === 'error'
  for (let end = 0; end < 2; end++) {
    await call()
    await poll('its end', down)
  }
  const first = await statusOf(own, 'one')
  const calls = call().then(() =>
    poll('the next attempt', async () => (await statusOf(own, 'one')).restarts > 2).then(call),
  )
  const told = new Set<string>()
  const since = new Set<string>()
  for (let settled = false; !settled; await Bun.sleep(5)) {
    const status = await statusOf(own, 'one')
    told.add(status.status)
    since.add(status.since)
    settled = await Promise.race([calls.then(() => true), Bun.sleep(0).then(() => false)])
  }
  await poll('the last end', async () => (await statusOf(own, 'one')).restarts > first.restarts)
  expect([...told]).toEqual(['error'])
  expect(since.size).toBe(1)
  expect(answered).toBe(4)
  expect((await statusOf(own, 'one')).reason).toMatch(
    /^It goes down again and again, \d times since \S+Z: .*exited with code 7/,
  )
}, 30_000)
