/** The configuration read again by a gateway that runs: each setting is seen to apply, and a bad file to change nothing. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { reference } from '../registry/definitions.ts'
import { documentedFetch } from '../support/api-document.ts'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer } from '../support/listing-server.ts'
import { callModern } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'
import { rawPost } from '../support/raw-http-request.ts'
import { rawStdio } from '../support/supervised.ts'

interface Report {
  readonly applied: {
    readonly settings: readonly string[]
    readonly servers: Record<'added' | 'changed' | 'removed', readonly string[]>
  }
  readonly unchanged: { readonly settings: readonly string[]; readonly servers: readonly string[] }
  readonly needsRestart: readonly string[]
}

const raw = rawStdio('raw')
const file = (gateway: RunningGateway): string => join(gateway.directory, 'compozy.yaml')

/** Settings under `mcp_proxy`, and the servers of the file. */
/** In one step: a reload may read the file at the same moment. */
function write(gateway: RunningGateway, settings: object, servers: readonly object[] = [raw]): void {
  const next = `${file(gateway)}.new`
  writeFileSync(next, JSON.stringify({ mcp_proxy: settings, mcps: servers }))
  renameSync(next, file(gateway))
}

async function reloaded(
  gateway: RunningGateway,
  settings: object,
  servers?: readonly object[],
): Promise<Report> {
  write(gateway, settings, servers)
  const answer = await gateway.admin('/reload', { method: 'POST' })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Report
}

/** By a signal, which works whatever the doors of the admin API are. */
async function hup(gateway: RunningGateway, settings: object): Promise<void> {
  const count = () => gateway.lines().filter((line) => line.includes('configuration read again')).length
  const before = count()
  write(gateway, settings)
  gateway.process.signal('SIGHUP')
  await poll('the reload', async () => count() > before)
}

describe('a setting that is changed is in force for the next request, and for what is open', () => {
  let gateway: RunningGateway
  let client: RawClient
  beforeAll(async () => {
    gateway = await startGatewayProcess({ via: 'executable', config: { mcps: [raw] } })
  })
  beforeEach(async () => {
    client = await RawClient.open(gateway.face('raw', 'stream'))
  })
  afterAll(async () => {
    await gateway.stop()
  })

  const status = async (path: string, headers: Record<string, string> = {}): Promise<number> => {
    const answer = await documentedFetch(gateway.url + path, { headers })
    await answer.arrayBuffer()
    return answer.status
  }
  const register = async (definition: object): Promise<number> => {
    const answer = await gateway.admin('/mcps', { method: 'POST', body: { name: 'new', ...definition } })
    await answer.arrayBuffer()
    if (answer.status === 201) await gateway.admin('/mcps/new', { method: 'DELETE' })
    return answer.status
  }
  const codeOf = async (tool: string, args: Record<string, unknown>): Promise<unknown> => {
    const { answer } = await client.callTool(crypto.randomUUID(), tool, args)
    const data: unknown = answer.error?.data
    return typeof data === 'object' && data !== null ? Reflect.get(data, 'code') : 'ok'
  }
  let addressAt = 100
  const clientIpOf = async (): Promise<string> => {
    // No address of the same length comes twice: the line is found by it.
    const address = `203.0.113.${addressAt++}`
    await status(`/mcp-proxy/raw/none-${address}`, { 'x-forwarded-for': address })
    const line = await gateway.process.line((text) => text.includes(`none-${address}`))
    return (JSON.parse(line) as { clientIp: string }).clientIp === address ? 'the one forwarded' : 'the peer'
  }
  const secondOf = async (send: () => Promise<unknown>): Promise<unknown> => {
    await send()
    return send()
  }

  const rows: {
    settings: object
    see: () => Promise<unknown>
    before: unknown
    after: unknown
  }[] = [
    {
      settings: { auth: { global_tokens: ['t'] } },
      see: () => status('/mcp-proxy/raw/none'),
      before: 404,
      after: 401,
    },
    {
      settings: { auth: { admin_tokens: ['a'] } },
      see: () => status('/admin/mcps'),
      before: 200,
      after: 401,
    },
    {
      settings: { auth: { admin_allow_ips: ['192.0.2.0/24'] } },
      see: () => status('/admin/mcps'),
      before: 200,
      after: 403,
    },
    { settings: { auth: { admin_tokens: ['a'] } }, see: () => status('/metrics'), before: 200, after: 401 },
    {
      settings: { auth: { admin_tokens: ['a'] }, metrics: { public: true } },
      see: async () => [await status('/admin/metrics'), await status('/metrics')].join(' '),
      before: '200 200',
      after: '401 200',
    },
    {
      settings: { security: { trusted_proxies: ['127.0.0.0/8'] } },
      see: clientIpOf,
      before: 'the peer',
      after: 'the one forwarded',
    },
    {
      settings: { security: { allowed_hosts: ['gateway.example'] } },
      see: () => status('/healthz', { host: 'gateway.example' }),
      before: 421,
      after: 200,
    },
    {
      settings: { base_url: 'https://base.example/x' },
      see: () => status('/healthz', { host: 'base.example' }),
      before: 421,
      after: 200,
    },
    {
      settings: { security: { allowed_origins: ['https://app.example'] } },
      see: () => status('/mcp-proxy/raw/none', { origin: 'https://app.example' }),
      before: 403,
      after: 404,
    },
    {
      settings: { security: { private_upstreams: 'refused' } },
      see: () => register({ transport: 'streamable-http', url: 'http://127.0.0.1:9/mcp' }),
      before: 201,
      after: 422,
    },
    {
      settings: { admin: { stdio: 'disabled' } },
      see: () => register({ transport: 'stdio', command: 'cat' }),
      before: 201,
      after: 403,
    },
    {
      settings: { admin: { commands: ['node'] } },
      see: () => register({ transport: 'stdio', command: 'cat' }),
      before: 201,
      after: 403,
    },
    {
      settings: { limits: { body_bytes_max: '1KiB' } },
      see: async () =>
        (await rawPost(gateway.face('raw', 'stream'), ['Content-Type: application/json'], ' '.repeat(2_000)))
          .status,
      before: 400,
      after: 413,
    },
    {
      settings: { limits: { rate: { per_second: 1, burst: 1 } } },
      see: () => secondOf(() => status('/mcp-proxy/raw/none')),
      before: 404,
      after: 429,
    },
    {
      settings: { limits: { sessions_max: 1 } },
      see: () =>
        RawClient.open(gateway.face('raw', 'stream')).then(
          (other) => other.close().then(() => 'open'),
          (thrown: Error) => thrown.message.slice(0, 3),
        ),
      before: 'open',
      after: '429',
    },
    {
      settings: { limits: { result_bytes_max: '1KiB' } },
      see: () => codeOf('large', { bytes: 4_000 }),
      before: 'ok',
      after: 'RESULT_TOO_LARGE',
    },
    {
      settings: { limits: { in_flight_per_server_max: 1 } },
      see: async () => {
        const first = codeOf('slow', { ms: 200 })
        await poll('the first call', async () => {
          const { totals } = (await (await gateway.admin('/metrics')).json()) as {
            totals: { inFlight: number }
          }
          return totals.inFlight > 0
        })
        const second = await codeOf('echo', { secret: 's' })
        await first
        return second
      },
      before: 'ok',
      after: 'IN_FLIGHT_EXHAUSTED',
    },
    {
      settings: { timeouts: { call_idle: '100ms' } },
      see: () => codeOf('slow', { ms: 500 }),
      before: 'ok',
      after: 'UPSTREAM_TIMEOUT',
    },
    {
      settings: { timeouts: { stream_after: '50ms' } },
      see: async () =>
        (await client.callTool(crypto.randomUUID(), 'slow', { ms: 500 })).contentType.split(';')[0],
      before: 'application/json',
      after: 'text/event-stream',
    },
    {
      settings: { logging: { level: 'error' } },
      see: async () => {
        const mark = `none-${crypto.randomUUID()}`
        await status(`/mcp-proxy/raw/${mark}`)
        // Lines are written in order: what stands behind it is of the level that is left.
        await Bun.sleep(60)
        return gateway.lines().some((line) => line.includes(mark))
      },
      before: true,
      after: false,
    },
  ]

  test.each(rows.map((row) => ({ ...row, name: JSON.stringify(row.settings) })))('$name', async (row) => {
    const { settings, see, before, after } = row
    expect(await see()).toBe(before as never)
    // A level above info does not tell of the reload.
    if ('logging' in settings) await reloaded(gateway, settings)
    else await hup(gateway, settings)
    expect(await see()).toBe(after as never)
    if ('logging' in settings) await reloaded(gateway, {})
    else await hup(gateway, {})
    expect(await see()).toBe(before as never)
  })

  test('a session that idles too long for the new bound ends', async () => {
    const other = await RawClient.open(gateway.face('raw', 'stream'))
    await hup(gateway, { timeouts: { session_idle: '50ms' } })
    await Bun.sleep(700)
    expect((await other.post('{"jsonrpc":"2.0","id":1,"method":"ping"}')).status).toBe(404)
    await hup(gateway, {})
  })

  test('the log goes on in another file, and comes back', async () => {
    const log = join(gateway.directory, 'gateway.log')
    expect((await reloaded(gateway, { logging: { file: log } })).applied.settings).toEqual(['logging.file'])
    await status('/mcp-proxy/raw/none-in-file')
    await poll('the line', async () => readFileSync(log, 'utf8').includes('none-in-file'))
    expect((await reloaded(gateway, {})).applied.settings).toEqual(['logging.file'])
    await status('/mcp-proxy/raw/none-on-stdout')
    await gateway.process.line((line) => line.includes('none-on-stdout'))
    expect(readFileSync(log, 'utf8')).not.toContain('none-on-stdout')
    rmSync(log)
  })

  test('the tokens of a file that a variable names are read again', async () => {
    const tokens = join(gateway.directory, 'tokens')
    writeFileSync(tokens, 'one')
    await using other = await startGatewayProcess({
      via: 'executable',
      env: { MCP_PROXY_GLOBAL_AUTH_TOKENS_FILE: tokens },
    })
    const ask = async (token: string) => {
      const answer = await fetch(`${other.url}/mcp-proxy/none/stream`, {
        headers: { authorization: `Bearer ${token}` },
      })
      await answer.text()
      return answer.status
    }
    expect([await ask('one'), await ask('two')]).toEqual([404, 401])
    writeFileSync(tokens, 'two')
    await other.admin('/reload', { method: 'POST' })
    expect([await ask('one'), await ask('two')]).toEqual([401, 404])
    rmSync(tokens)
  })
})

test('the shortest shutdown time-out that was read last is the one that counts', async () => {
  await using gateway = await startGatewayProcess({ via: 'executable', config: { mcps: [raw] } })
  const client = await RawClient.open(gateway.face('raw', 'stream'))
  const call = client.callTool(1, 'slow', { ms: 60_000 }).catch(() => null)
  await reloaded(gateway, { shutdown_timeout: '200ms' })
  const startedAtMs = performance.now()
  gateway.process.signal('SIGTERM')
  expect(await gateway.process.exited).toBe(0)
  expect(performance.now() - startedAtMs).toBeLessThan(2_000)
  await call
})

test('a gateway that stops takes no configuration any more', async () => {
  await using gateway = await startGatewayProcess({ via: 'executable', config: { mcps: [raw] } })
  const client = await RawClient.open(gateway.face('raw', 'stream'))
  const call = client.callTool(1, 'slow', { ms: 600 })
  await poll('the call', async () => {
    const { totals } = (await (await gateway.admin('/metrics')).json()) as { totals: { inFlight: number } }
    return totals.inFlight === 1
  })
  write(gateway, {}, [raw, rawStdio('late')])
  gateway.process.signal('SIGTERM')
  await gateway.process.line((line) => line.includes('"stopping"'))
  gateway.process.signal('SIGHUP')
  expect((await call).answer.result?.structuredContent).toEqual({ slept: 600 })
  expect(await gateway.process.exited).toBe(0)
  expect(gateway.lines().join('\n')).not.toMatch(/read again|not taken|"mcp":"late"/)
})

describe('servers of the file', () => {
  const pidOf = async (gateway: RunningGateway, name: string): Promise<number> => {
    await poll(`${name} to connect`, async () => {
      const { status } = (await (await gateway.admin(`/mcps/${name}`)).json()) as {
        status: { status: string }
      }
      return status.status === 'connected'
    })
    const client = await RawClient.open(gateway.face(name, 'stream'))
    const { pid } = await client.call<{ pid: number }>(1, 'pid', {})
    await client.close()
    return pid
  }

  test('come, change and go; only what has changed is started anew', async () => {
    await using gateway = await startGatewayProcess({ via: 'executable', config: { mcps: [raw] } })
    const before = await pidOf(gateway, 'raw')
    const added = await reloaded(gateway, {}, [raw, rawStdio('other')])
    expect(added.applied.servers).toEqual({ added: ['other'], changed: [], removed: [] })
    expect(added.unchanged.servers).toEqual(['raw'])
    const line = await gateway.process.line((text) => text.includes('server other added'))
    expect(JSON.parse(line)).toMatchObject({
      msg: 'configuration read again',
      applied: 'server other added',
      unchanged: 'server raw',
      needsRestart: 'nothing',
    })
    const other = await pidOf(gateway, 'other')
    const changed = await reloaded(gateway, {}, [raw, rawStdio('other', { description: 'new' })])
    expect(changed.applied.servers).toEqual({ added: [], changed: ['other'], removed: [] })
    expect(await pidOf(gateway, 'other')).not.toBe(other)
    const removed = await reloaded(gateway, {}, [raw])
    expect(removed.applied.servers).toEqual({ added: [], changed: [], removed: ['other'] })
    expect((await gateway.admin('/mcps/other')).status).toBe(404)
    expect(await pidOf(gateway, 'raw')).toBe(before)
  })

  test('take the place of a registered one of that name, which comes back when they go', async () => {
    await using gateway = await startGatewayProcess({ via: 'executable', config: { mcps: [raw] } })
    await gateway.register(rawStdio('both', { description: 'registered' }))
    const viewOf = async () => {
      const view = (await (await gateway.admin('/mcps/both')).json()) as {
        definition: { description: string }
        origin: string
      }
      return [view.definition.description, view.origin]
    }
    expect(await viewOf()).toEqual(['registered', 'store'])
    const shadowed = await reloaded(gateway, {}, [raw, rawStdio('both', { description: 'of the file' })])
    expect(shadowed.applied.servers.changed).toEqual(['both'])
    expect(await viewOf()).toEqual(['of the file', 'file'])
    expect((await gateway.admin('/mcps/both', { method: 'DELETE' })).status).toBe(409)
    const back = await reloaded(gateway, {}, [raw])
    expect(back.applied.servers.changed).toEqual(['both'])
    expect(await viewOf()).toEqual(['registered', 'store'])
    expect((await gateway.admin('/mcps/both', { method: 'DELETE' })).status).toBe(204)
  })
})

describe('a configuration that cannot be taken', () => {
  let gateway: RunningGateway
  const good = { auth: { admin_tokens: ['a'] }, logging: { level: 'info' } }
  beforeAll(async () => {
    gateway = await startGatewayProcess({ via: 'executable', config: { mcp_proxy: good, mcps: [raw] } })
  })
  afterAll(async () => {
    await gateway.stop()
  })
  const reload = () => gateway.admin('/reload', { method: 'POST', headers: { authorization: 'Bearer a' } })
  const document = (settings: object, servers: readonly object[] = [raw]) =>
    JSON.stringify({ mcp_proxy: settings, mcps: servers })

  test.each([
    { why: 'broken YAML', text: 'mcp_proxy: [', says: /^compozy\.yaml:\d+:\d+: / },
    { why: 'an unknown key', text: document({ prot: 1 }), says: /unknown key mcp_proxy\.prot/ },
    {
      why: 'a token that is gone beside a value that is none',
      text: document({ auth: { admin_tokens: ['b'] }, limits: { sessions_max: 0 } }),
      says: /sessions_max must be/,
    },
    {
      why: 'a network that is none beside a server that is gone',
      text: document({ ...good, security: { trusted_proxies: ['10.0.0.0/33'] } }, []),
      says: /trusted_proxies/,
    },
    {
      why: 'a log file that cannot be opened, beside other tokens',
      text: document({ auth: { admin_tokens: ['b'] }, logging: { file: '/nowhere/at/all.log' } }),
      says: /cannot open the log file \/nowhere\/at\/all\.log: there is no such directory/,
    },
    {
      why: 'a server that cannot be read, beside a new one',
      text: document(good, [raw, rawStdio('new'), { name: 'bad', transport: 'stdio' }]),
      says: /command/,
    },
    {
      why: 'a variable that is not set',
      text: document({ base_url: reference('NOT_SET_ANYWHERE') }),
      says: /NOT_SET_ANYWHERE/,
    },
    {
      why: 'a file that was emptied',
      text: '# soon\n',
      says: /^compozy\.yaml holds nothing any more; restart/,
    },
    { why: 'a file that is gone', text: null, says: /^compozy\.yaml is gone; restart/ },
  ])('$why: 422 with the reason, and nothing is changed', async ({ text, says }) => {
    if (text === null) rmSync(file(gateway))
    else writeFileSync(file(gateway), text)
    const answer = await reload()
    const body = (await answer.json()) as { code: string; details: string }
    expect([answer.status, body.code]).toEqual([422, 'CONFIGURATION_INVALID'])
    expect(body.details).toMatch(says)
    const line = await gateway.process.line(
      (each) =>
        each.includes('not taken') && (JSON.parse(each) as { reason: string }).reason === body.details,
    )
    expect(JSON.parse(line)).toMatchObject({ level: 'error' })
    const list = await gateway.admin('/mcps', { headers: { authorization: 'Bearer a' } })
    expect(((await list.json()) as { mcps: { definition: { name: string } }[] }).mcps).toMatchObject([
      { definition: { name: 'raw' } },
    ])
    writeFileSync(file(gateway), document(good))
    const again = (await (await reload()).json()) as Report
    expect([again.applied.settings, again.applied.servers.removed, again.needsRestart]).toEqual([[], [], []])
  })

  test('what takes a restart is named until then, and what a flag overrides is none of it', async () => {
    writeFileSync(
      file(gateway),
      document({
        ...good,
        host: '0.0.0.0',
        port: 1,
        storage: { type: 'memory' },
        logging: { format: 'pretty' },
      }),
    )
    for (let round = 0; round < 2; round++) {
      const { needsRestart, applied, unchanged } = (await (await reload()).json()) as Report
      // The port and the form of the log are flags here.
      expect(needsRestart).toEqual(['host', 'storage.type'])
      expect(applied.settings).toEqual([])
      expect(unchanged.settings).toContain('port')
    }
    const line = await gateway.process.line(
      (each) => each.includes('configuration read again') && each.includes('storage.type'),
    )
    expect(JSON.parse(line)).toMatchObject({
      level: 'info',
      applied: 'nothing',
      unchanged: 'server raw',
      needsRestart: 'host, storage.type',
      cause: expect.stringMatching(/^POST \/admin\/reload by admin:|^POST \/admin\/reload by /),
    })
  })

  test('is asked for by admins only, and by POST only', async () => {
    const anybody = await documentedFetch(`${gateway.url}/admin/reload`, { method: 'POST' })
    expect(anybody.status).toBe(401)
    const wrong = await gateway.admin('/reload', { headers: { authorization: 'Bearer a' } })
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST'])
  })
})

test('twenty reloads at once are made one after the other, and the last file counts', async () => {
  await using gateway = await startGatewayProcess({ via: 'executable', config: { mcps: [raw] } })
  const reports = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      write(gateway, {}, [raw, ...(n % 2 === 0 ? [rawStdio('flicker', { description: String(n) })] : [])])
      return gateway.admin('/reload', { method: 'POST' }).then((answer) => answer.status)
    }),
  )
  expect(new Set(reports)).toEqual(new Set([200]))
  await reloaded(gateway, {}, [raw])
  expect((await gateway.admin('/mcps/flicker')).status).toBe(404)
})

test('reload: watch takes a changed file by itself, also one that was put in its place, until it is switched off', async () => {
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: { reload: 'watch' }, mcps: [raw] },
  })
  const known = async (name: string) => (await gateway.admin(`/mcps/${name}`)).status === 200
  write(gateway, { reload: 'watch' }, [raw, rawStdio('second')])
  await poll('the second server', () => known('second'))
  writeFileSync(file(gateway), 'mcps: [')
  await gateway.process.line((line) => line.includes('not taken') && line.includes('reload: watch'))
  expect(await known('second')).toBe(true)
  write(gateway, {}, [raw])
  await poll('the end of the second server', async () => !(await known('second')))
  write(gateway, {}, [raw, rawStdio('third')])
  // As long as a file must be quiet, and two looks.
  await Bun.sleep(3_250)
  expect(await known('third')).toBe(false)
}, 30_000)

test('a token that is taken away ends a call to a group that waits for the lists of its members', async () => {
  using slow = new ListingServer('slow', { era: 'modern' })
  const team = {
    name: 'team',
    transport: 'group',
    members: [{ server: 'slow' }, { server: 'raw' }],
    naming: 'plain',
  }
  const settings = (tokens: readonly string[]) => ({ auth: { global_tokens: tokens, admin_tokens: ['a1'] } })
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcp_proxy: settings(['leaves', 'stays']), mcps: [slow.definition, raw, team] },
  })
  const call = (token: string) =>
    callModern(gateway.face('team', 'stream'), 'link', { whose: token }, { token })
  const lists = () => slow.requests('tools/list').length
  slow.listDelayMs = 400
  const listed = lists()
  const calls = [call('leaves'), call('stays')]
  await poll('the lists that are asked for', async () => lists() > listed)
  write(gateway, settings(['stays']), [slow.definition, raw, team])
  const headers = { authorization: 'Bearer a1' }
  expect((await gateway.admin('/reload', { method: 'POST', headers })).status).toBe(200)
  const [left, stayed] = await Promise.all(calls)
  expect(left?.answer.error).toMatchObject({ data: { code: 'UNAUTHENTICATED' } })
  expect(stayed?.answer.error).toBeUndefined()
  const reached = slow.requests('tools/call').map(({ arguments: args }) => args)
  expect(reached).toEqual([{ whose: 'stays' }])
}, 30_000)

describe('a file that is half written and reads well', () => {
  const settings = {
    reload: 'watch',
    auth: { global_tokens: ['client-token'], admin_tokens: ['admin-token'], admin_allow_ips: ['127.0.0.1'] },
  }
  const admin = { headers: { authorization: 'Bearer admin-token' } }
  const guarded = { ...raw, authTokens: ['own-token'], allowedIPs: ['127.0.0.1'], requireAuth: true }
  const cause = async (gateway: RunningGateway, text: string) =>
    JSON.parse(await gateway.process.line((line) => line.includes(text))) as Record<string, string>

  test('opens no door where it is only watched, and is taken where somebody asks, who is told what is open', async () => {
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: { mcp_proxy: settings, mcps: [guarded] },
    })
    const anonymous = async () => [
      (await documentedFetch(`${gateway.url}/admin/mcps`)).status,
      (await fetch(gateway.face('raw', 'stream'), { method: 'POST', body: '{}' })).status,
    ]
    write(gateway, { reload: 'watch' }, [raw])
    const refused = await cause(gateway, 'not taken')
    expect(refused).toMatchObject({
      cause: 'reload: watch',
      reason:
        'the files have changed and would open what auth.global_tokens, auth.admin_tokens, auth.admin_allow_ips, authTokens of raw, allowedIPs of raw, requireAuth of raw guard; restart, or POST /admin/reload, if that is meant',
    })
    expect(await anonymous()).toEqual([401, 401])

    const answer = await gateway.admin('/reload', { method: 'POST', ...admin })
    expect(answer.status).toBe(200)
    expect(await cause(gateway, 'doors are open now')).toMatchObject({
      level: 'warn',
      cause: expect.stringMatching(/^POST \/admin\/reload by admin:[0-9a-f]{8}$/),
      doors: expect.stringContaining('auth.global_tokens, auth.admin_tokens'),
    })
    expect((await anonymous())[0]).toBe(200)
  }, 30_000)

  test('takes a token away by itself while another one stays', async () => {
    await using gateway = await startGatewayProcess({ via: 'executable', config: { mcp_proxy: settings } })
    write(gateway, { ...settings, auth: { ...settings.auth, global_tokens: ['next-token'] } }, [])
    expect(await cause(gateway, 'configuration read again')).toMatchObject({ applied: 'auth.global_tokens' })
  }, 30_000)
})
