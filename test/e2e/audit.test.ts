/** Each call leaves one line in the audit, whichever way it came, and so does whatever an admin changes; none has content. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { runCommand } from '../cli/run-command.ts'
import { openCaller } from '../support/callers.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer } from '../support/listing-server.ts'
import { askModern, callModern } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'

setDefaultTimeout(20_000)

const failing = resolve(import.meta.dir, '../support/failing-server.ts')
const command = process.execPath
const canary = 'canary-that-no-line-may-hold'
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`

type Line = Readonly<Record<string, unknown>>

let gateway: RunningGateway
let listing: ListingServer

const linesAt = (path: string): Line[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line)
    : []
const auditPath = () => join(gateway.directory, 'audit.log')
const lines = () => linesAt(auditPath())

beforeAll(async () => {
  listing = new ListingServer('listing', {
    prompts: [{ name: 'greet' }],
    resources: [{ uri: 'docs://user:secret@host/one?key=secret', name: 'one' }],
    templates: [{ uriTemplate: 'docs://{id}', name: 'all' }],
  })
  const config = {
    mcp_proxy: { audit: { file: 'audit.log' }, timeouts: { client_input: '300ms' } },
    mcps: [
      { name: 'old', transport: 'stdio', command, args: [failing] },
      { name: 'new', transport: 'stdio', command, args: [failing, '--modern'] },
      listing.definition,
      { name: 'team', transport: 'group', members: [{ all: true }] },
      { name: 'found', transport: 'group', members: [{ all: true }], exposure: 'search' },
    ],
  }
  gateway = await startGatewayProcess({ via: 'executable', config })
  await poll('its first line', async () => lines().length > 0)
})

afterAll(async () => {
  listing[Symbol.dispose]()
  await gateway.stop()
})

/** The lines that `work` leaves, once there are `count`, and a moment later still. */
async function linesOf(count: number, work: () => Promise<unknown>): Promise<Line[]> {
  const before = lines().length
  await work()
  const found = () => lines().slice(before)
  await poll(`${count} lines of the audit`, async () => found().length >= count, 10_000)
  // Whatever was written after the last of them was written before this one.
  await gateway.admin('/mcps/old/enable', { method: 'POST' })
  await poll('the line behind them', async () => found().some(isMark))
  return found().filter((line) => !isMark(line))
}

const isInFlight = (figures: string) =>
  (JSON.parse(figures) as { servers: { inFlight: number }[] }).servers.some(({ inFlight }) => inFlight > 0)

const isMark = ({ action }: Line) => action === 'POST /admin/mcps/old/enable'

const everyLine = {
  time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  event: 'call',
  principal: 'anonymous',
  address: '127.0.0.1',
  durationMs: expect.any(Number),
  policy: expect.stringMatching(/^[\da-f]{12}$/),
  requestId: expect.any(String),
}
const old = { ...everyLine, server: 'old', method: 'tools/call' }
const raw = { client: 'raw-client/1.0.0' }
const modern = { client: 'raw-modern/1.0.0' }
const face = (name: string) => gateway.face(name, 'stream')

async function withSession(name: string, work: (client: RawClient) => Promise<unknown>): Promise<void> {
  await using client = await RawClient.open(face(name), { version: '2025-03-26' })
  await work(client)
}

interface Case {
  readonly why: string
  readonly work: () => Promise<unknown>
  readonly line: Line
}

const calls: readonly Case[] = [
  {
    why: 'over Streamable HTTP, with its trace',
    work: () =>
      withSession('old', async (client) => {
        const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'work' } }
        const answer = await client.post(JSON.stringify(call), { headers: { traceparent } })
        await answer.text()
      }),
    line: { ...old, ...raw, tool: 'work', outcome: 'ok', traceId },
  },
  {
    why: 'over HTTP+SSE',
    work: async () => {
      await using caller = await openCaller(gateway, 'old', 'sse')
      await caller.call(7, 'fail', { secret: canary })
    },
    line: { ...old, client: 'raw-caller/1.0.0', tool: 'fail', outcome: 'tool_error' },
  },
  {
    why: 'of the modern era, with its trace',
    work: () => callModern(face('old'), 'work', { secret: canary }, { meta: { traceparent } }),
    line: { ...old, ...modern, tool: 'work', outcome: 'ok', traceId },
  },
  {
    why: 'that the server answers with an error',
    work: () => callModern(face('new'), 'error', {}),
    line: { ...old, ...modern, server: 'new', tool: 'error', outcome: 'rpc_error', rpcCode: -32602 },
  },
  {
    why: 'through a group',
    work: () => withSession('team', (client) => client.callTool(1, 'old__work', {})),
    line: { ...old, ...raw, group: 'team', tool: 'old__work', outcome: 'ok' },
  },
  {
    why: 'through a group whose tools are searched, by the name of the tool',
    work: () => callModern(face('found'), 'call_tool', { name: 'listing__echo', arguments: { canary } }),
    line: { ...old, ...modern, server: 'listing', group: 'found', tool: 'listing__echo', outcome: 'ok' },
  },
  {
    why: 'that is answered on a stream',
    work: async () => {
      const reported = callModern(face('old'), 'report', {}, { meta: { progressToken: 1 } })
      // Released by a call that has a line of its own.
      await poll('progress', async () => gateway.lines().some((line) => line.includes('"tool":"report"')))
      await callModern(face('old'), 'release', {})
      await reported
    },
    line: { ...old, ...modern, tool: 'report', outcome: 'tool_error' },
  },
  {
    why: 'that its client gives up',
    work: async () => {
      const left = new AbortController()
      const hanging = callModern(face('new'), 'hang', {}, { signal: left.signal }).catch(() => {})
      await poll('the call', async () => (await gateway.admin('/metrics')).text().then(isInFlight))
      left.abort()
      await hanging
    },
    line: { ...old, ...modern, server: 'new', tool: 'hang', outcome: 'cancelled' },
  },
  {
    why: 'whose client is asked something, and stays away',
    work: async () => {
      await callModern(face('old'), 'ask', {}, { capabilities: { roots: {} } })
      const given = (line: string) => line.includes('"tool":"ask"') && line.includes('cancelled')
      await poll('its end', async () => gateway.lines().some(given))
    },
    line: { ...old, ...modern, tool: 'ask', outcome: 'input_required' },
  },
  {
    why: 'of a prompt',
    work: () => withSession('listing', (client) => client.request(1, 'prompts/get', { name: 'greet' })),
    line: { ...old, ...raw, server: 'listing', method: 'prompts/get', prompt: 'greet', outcome: 'ok' },
  },
  {
    why: 'of a resource, without what may be secret in its URI',
    work: () =>
      askModern(face('listing'), 'resources/read', {
        params: { uri: 'docs://user:secret@host/one?key=secret' },
      }),
    line: {
      ...{ ...old, ...modern, server: 'listing', method: 'resources/read' },
      ...{ resource: 'docs://host/one', outcome: 'ok' },
    },
  },
  {
    why: 'of a completion',
    work: () =>
      withSession('listing', (client) =>
        client.request(1, 'completion/complete', {
          ref: { type: 'ref/resource', uri: 'docs://{id}' },
          argument: { name: 'id', value: canary },
        }),
      ),
    line: {
      ...{ ...old, ...raw, server: 'listing', method: 'completion/complete' },
      ...{ template: 'docs://{id}', outcome: 'ok' },
    },
  },
  {
    why: 'of a list, which says of a group what that is',
    work: () => askModern(face('team'), 'tools/list'),
    line: { ...everyLine, ...modern, server: 'team', group: 'team', method: 'tools/list', outcome: 'ok' },
  },
  {
    why: 'of a method that nobody knows',
    work: () => withSession('old', (client) => client.request(1, 'vendor/secret', { canary })),
    line: { ...old, ...raw, method: 'vendor/secret', outcome: 'rpc_error', rpcCode: -32601 },
  },
  {
    why: 'over the admin API',
    work: async () => {
      const body = { mcpName: 'old', toolName: 'work', arguments: { canary } }
      await (await gateway.admin('/tools/call', { method: 'POST', body })).text()
    },
    line: { ...old, tool: 'work', outcome: 'ok' },
  },
  {
    why: 'with the command line',
    work: () =>
      runCommand(['servers', 'call', 'old', 'work', '--url', gateway.url], {
        via: 'executable',
        cwd: gateway.directory,
      }),
    line: { ...old, tool: 'work', outcome: 'ok' },
  },
  {
    why: 'of a tool whose name moves a cursor and never ends',
    work: () => withSession('listing', (client) => client.callTool(1, `\u001b[2J${'x'.repeat(5_000)}`, {})),
    line: {
      ...{ ...old, ...raw, server: 'listing', outcome: 'ok' },
      tool: expect.stringMatching(/^\\u001b\[2Jx{10,250}$/),
    },
  },
]

describe('one line for a call', () => {
  test.each(calls)('$why', async ({ work, line }) => {
    const found = await linesOf(1, work)
    expect(found.filter(({ tool }) => tool !== 'release')).toEqual([line] as never)
  })

  test('each of a batch', async () => {
    const batch = ['work', 'fail', 'error'].map((name, id) => ({
      ...{ jsonrpc: '2.0', id, method: 'tools/call' },
      params: { name, arguments: { canary } },
    }))
    const found = await linesOf(3, () =>
      withSession('old', async (client) => (await client.post(JSON.stringify(batch))).text()),
    )
    expect(found.map(({ tool, outcome }) => `${tool} ${outcome}`).sort()).toEqual([
      'error rpc_error',
      'fail tool_error',
      'work ok',
    ])
  })

  test('and none for what uses nothing of a server', async () => {
    const found = await linesOf(0, () =>
      withSession('old', async (client) => {
        await client.request(1, 'ping')
        await client.notify('notifications/roots/list_changed')
      }),
    )
    expect(found).toEqual([])
  })
})

describe('what an admin changes', () => {
  const definition = { name: 'later', transport: 'stdio', command, args: [failing], env: { KEY: canary } }
  const change = (method: string, path: string, body?: object) => async () => {
    const answer = await gateway.admin(path, { method, ...(body !== undefined && { body }) })
    await answer.text()
  }
  const policyAfter = async (work: () => Promise<unknown>): Promise<[unknown, Line | undefined]> => {
    const [line] = await linesOf(1, work)
    return [line?.['policy'], line]
  }

  test('has a line, and another policy where it changes who may do what', async () => {
    const [first, created] = await policyAfter(change('POST', '/mcps', definition))
    expect(created).toEqual({
      ...everyLine,
      ...{ event: 'admin', action: 'POST /admin/mcps', server: 'later', outcome: 'ok' },
    } as never)
    const longer = { ...definition, description: 'Longer.', args: [failing, '--modern'] }
    const [second, replaced] = await policyAfter(change('PUT', '/mcps/later', longer))
    expect(replaced).toMatchObject({ action: 'PUT /admin/mcps/later', changed: 'description args' })
    expect(second).toBe(first as string)
    const guarded = { ...longer, authTokens: [canary] }
    const [third] = await policyAfter(change('PUT', '/mcps/later', guarded))
    expect(third).not.toBe(second as string)
    const [, refused] = await policyAfter(change('POST', '/mcps', definition))
    expect(refused).toMatchObject({ outcome: 'refused', code: 'DEFINITION_EXISTS' })
    const [last] = await policyAfter(change('DELETE', '/mcps/later'))
    expect(last).not.toBe(third as string)
  })

  test('names the key that is made, and has the policy of before when that is gone again', async () => {
    const [before] = await policyAfter(change('POST', '/mcps/new/disable'))
    const key = { name: 'ci', access: [{ servers: ['old'] }] }
    const [meanwhile, made] = await policyAfter(change('POST', '/keys', key))
    const [, id = ''] = /^key:(\w{8}) ci$/.exec(String(made?.['target'])) ?? []
    expect(made).toMatchObject({ action: 'POST /admin/keys', outcome: 'ok', target: `key:${id} ci` })
    expect(meanwhile).not.toBe(before as string)
    const [after] = await policyAfter(change('DELETE', `/keys/${id}?open=true`))
    expect(after).toBe(before as string)
    await policyAfter(change('POST', '/mcps/new/enable'))
  })

  test('what is only read has none', async () => {
    expect(await linesOf(0, change('GET', '/mcps'))).toEqual([])
  })
})

test('no line holds what was sent, what came back, or a secret', () => {
  const text = readFileSync(auditPath(), 'utf8')
  for (const word of [canary, 'secret@', 'key=secret', '\u001b']) expect(text).not.toContain(word)
  expect(lines()[0]).toMatchObject({ event: 'start', policy: expect.any(String) })
  expect(statSync(auditPath()).mode & 0o777).toBe(0o600)
})

describe('with tokens', () => {
  test('who is refused has a line, but nobody fills the disk with them', async () => {
    await using guarded = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: {
          audit: { file: 'audit.log' },
          auth: { global_tokens: ['the-token'], admin_tokens: ['the-admin'] },
        },
        mcps: [listing.definition],
      },
    })
    const path = join(guarded.directory, 'audit.log')
    const url = guarded.face('listing', 'stream')
    const ask = (token: string) => askModern(url, 'tools/list', { token })
    await Promise.all(Array.from({ length: 100 }, () => ask('the-wrong-token')))
    await ask('the-token')
    await poll('the call', async () => linesAt(path).some(({ event }) => event === 'call'))
    const refused = linesAt(path).filter(({ event }) => event === 'refused')
    expect(refused).toHaveLength(10)
    expect(refused[0]).toEqual({
      ...everyLine,
      ...{ event: 'refused', action: 'POST /mcp-proxy/listing/stream', code: 'UNAUTHENTICATED' },
      reason: expect.stringContaining('Authorization: Bearer'),
    } as never)
    expect(linesAt(path).find(({ event }) => event === 'call')).toMatchObject({
      principal: expect.stringMatching(/^token:[\da-f]{8}$/),
    })
    const headers = { authorization: 'Bearer the-admin' }
    const session = await fetch(`${guarded.url}/me/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: 'the-admin' }),
    })
    expect(session.status).toBe(200)
    await guarded.admin('/reload', { method: 'POST', headers })
    writeFileSync(
      join(guarded.directory, 'compozy.yaml'),
      readFileSync(join(guarded.directory, 'compozy.yaml'), 'utf8').replace('the-token', 'another-token'),
    )
    const before = linesAt(path).at(-1)?.['policy']
    renameSync(path, `${path}.1`)
    process.kill(guarded.pid, 'SIGHUP')
    await poll('the reload', async () => linesAt(path).some(({ cause }) => cause === 'SIGHUP'))
    const reloads = [...linesAt(`${path}.1`), ...linesAt(path)].filter(({ event }) => event !== 'refused')
    expect(reloads.map(({ event, action, cause }) => [event, action, cause].join(' ').trim())).toEqual([
      'start',
      'call',
      'sign-in',
      'admin POST /admin/reload',
      'admin reload SIGHUP',
    ])
    expect(linesAt(path).at(-1)?.['policy']).not.toBe(before as string)
    expect(readFileSync(`${path}.1`, 'utf8') + readFileSync(path, 'utf8')).not.toMatch(
      /the-(wrong-)?(token|admin)/,
    )
    await guarded.process.stop()
    expect(linesAt(path).slice(-2)).toMatchObject([
      { event: 'refusals', untold: { UNAUTHENTICATED: 90 } },
      { event: 'stop' },
    ])
  })
})

test('on a full disk calls go on, and the log and the figures say that lines are lost', async () => {
  await using full = await startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: { audit: { file: '/dev/full' } }, mcps: [listing.definition] },
  })
  const { answer } = await callModern(full.face('listing', 'stream'), 'echo', {})
  expect(answer.result).toBeDefined()
  const says = (text: string) =>
    text.includes('the audit cannot be written') && text.includes('"reason":"the disk is full"')
  await poll('the word in the log', async () => full.lines().some(says))
  const figures = (await (await full.admin('/metrics')).json()) as { auditLinesDropped: number }
  expect(figures.auditLinesDropped).toBeGreaterThan(0)
})

test('- writes the lines into the log, whatever its level', async () => {
  await using quiet = await startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: { audit: { file: '-' } }, mcps: [listing.definition] },
  })
  // The first line tells the test where it listens.
  const silent = {
    mcp_proxy: { audit: { file: '-' }, logging: { level: 'error' } },
    mcps: [listing.definition],
  }
  writeFileSync(join(quiet.directory, 'compozy.yaml'), JSON.stringify(silent))
  await quiet.admin('/reload', { method: 'POST' })
  await callModern(quiet.face('listing', 'stream'), 'echo', {})
  await poll('the line', async () => quiet.lines().some((line) => line.includes('"event":"call"')))
  const line = JSON.parse(quiet.lines().find((text) => text.includes('"event":"call"')) ?? '{}') as Line
  expect(line).toMatchObject({ level: 'info', msg: 'audit', event: 'call', tool: 'echo', outcome: 'ok' })
})

test('a file that cannot be opened keeps the gateway from starting, with one line that says why', async () => {
  const started = startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: { audit: { file: 'missing/audit.log' } } },
  })
  await expect(started).rejects.toThrow(
    /cannot open the audit file missing\/audit\.log: there is no such directory/,
  )
})
