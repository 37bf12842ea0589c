/**
 * The figures of /metrics are exact, whatever becomes of calls, and names that clients invent make none.
 * FIGURES_CALLS=10000 for the long run, in which a real Prometheus answers the queries of the dashboards as well.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { dashboardNames, dashboardQueries } from '../packaging/dashboards.ts'
import { programPath } from '../packaging/repository.ts'
import { type FaultHttp, jsonAnswer, startFaultHttp } from '../support/fault-http.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { prometheusProgram, startPrometheus } from '../support/prometheus.ts'
import { ProtectedServer } from '../support/protected-server.ts'
import { RawClient } from '../support/raw-client.ts'
import { TokenIssuer } from '../support/token-issuer.ts'

const calls = Number(process.env['FIGURES_CALLS'] ?? 600)
const long = calls >= 10_000
const promtool = programPath('promtool')
if (promtool === null) console.log('promtool is not installed: what it says of /metrics is left out')

setDefaultTimeout(long ? 240_000 : 30_000)

let server: FaultHttp
let gateway: RunningGateway
let issuer: TokenIssuer
let locked: ProtectedServer

beforeAll(async () => {
  server = startFaultHttp((request) => {
    const { method, params } = request.message
    if (method === 'initialize')
      return jsonAnswer(request, {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'counted', version: '1.0.0' },
      })
    if (method === 'tools/list') return jsonAnswer(request, { tools: [] })
    if (method !== 'tools/call') return method === 'ping' ? jsonAnswer(request, {}) : undefined
    const { name } = params as { name: string }
    if (name === 'break') return new Response('broken', { status: 500 })
    return jsonAnswer(request, { content: [], ...(name === 'fail' && { isError: true }) })
  })
  issuer = new TokenIssuer()
  locked = new ProtectedServer(issuer)
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcps: [
        { name: 'files', transport: 'streamable-http', url: server.url },
        { name: 'team', transport: 'group', members: [{ server: 'files' }] },
        locked.definition('docs'),
      ],
    },
  })
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await Promise.all([server, locked, issuer].map((each) => each[Symbol.asyncDispose]()))
})

async function page(): Promise<string> {
  return await (await fetch(`${gateway.url}/metrics`)).text()
}

/** The sum of all samples whose line begins so. */
function total(text: string, beginning: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith(beginning))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

const duration = 'compozy_mcp_call_duration_seconds'
const countOf = (text: string, outcome: string, group = '') =>
  total(text, `${duration}_count{server="files",group="${group}",method="tools/call",outcome="${outcome}"}`)

/** Calls these tools, by so many clients at once. */
async function callAll(names: readonly string[], face = 'files'): Promise<void> {
  let next = 0
  const client = async () => {
    await using session = await RawClient.open(gateway.face(face, 'stream'))
    while (next < names.length) {
      const at = next++
      await session.callTool(at, names[at] ?? '', {})
    }
  }
  await Promise.all(Array.from({ length: 16 }, client))
}

describe('the figures', () => {
  test('are exact with one call of a hundred that the tool fails, and one that breaks', async () => {
    const names = Array.from({ length: calls }, (_, at) =>
      at % 100 === 17 ? 'fail' : at % 100 === 83 ? 'break' : 'work',
    )
    await callAll(names)
    const text = await page()
    const hundredth = calls / 100
    expect(countOf(text, 'ok')).toBe(calls - 2 * hundredth)
    expect(countOf(text, 'tool_error')).toBe(hundredth)
    expect(countOf(text, 'failed')).toBe(hundredth)
    for (const outcome of ['refused', 'cancelled', 'rpc_error']) expect(countOf(text, outcome)).toBe(0)
    const counted = (outcome: string) =>
      total(text, `compozy_mcp_request_outcomes_total{server="files",outcome="${outcome}"}`)
    expect(counted('tool_error')).toBe(hundredth)
    expect(counted('failed')).toBe(hundredth)
    // Each bucket of +Inf is the count of its histogram.
    const inf = text
      .split('\n')
      .filter((line) => line.startsWith(`${duration}_bucket`) && line.includes('+Inf'))
    expect(inf.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)).toBe(
      total(text, `${duration}_count`),
    )
  })

  test('have the group by which calls came', async () => {
    await callAll(
      Array.from({ length: 20 }, () => 'files__work'),
      'team',
    )
    const text = await page()
    expect(countOf(text, 'ok', 'team')).toBe(20)
  })

  test('have no series for names that clients invent', async () => {
    const before = (await page()).split('\n').length
    const invented = Array.from({ length: long ? 10_000 : 300 }, (_, at) => `invented_${at}`)
    await callAll(invented)
    await using session = await RawClient.open(gateway.face('files', 'stream'))
    for (let at = 0; at < 30; at++) await session.request(at, `invented/method_${at}`)
    const text = await page()
    expect(text).not.toContain('invented')
    // One more histogram, of methods that nobody knows.
    expect(text.split('\n').length - before).toBeLessThan(30)
  })

  test('say of a server with OAuth whether somebody is logged in', async () => {
    const states = async () =>
      Object.fromEntries(
        [
          ...(await page()).matchAll(
            /^compozy_logins\{server="docs",account="shared",state="(\w+)"\} (\d+)$/gm,
          ),
        ].map(([, state, count]) => [state, Number(count)]),
      )
    expect(await states()).toEqual({ logged_in: 0, needs_login: 1, needs_consent: 0 })
    const login = (body: object) => gateway.admin('/mcps/docs/login', { method: 'POST', body })
    const { url } = (await (await login({ how: 'paste' })).json()) as { url: string }
    await login({ answer: issuer.approve(url, 'ada').href })
    expect(await states()).toEqual({ logged_in: 1, needs_login: 0, needs_consent: 0 })
    expect(await page()).toContain('\ncompozy_login_attempts_total{server="docs",outcome="completed"} 1\n')
  })

  test.if(promtool !== null)('are a page that promtool finds nothing wrong with', async () => {
    const check = Bun.spawn([promtool ?? '', 'check', 'metrics'], {
      stdin: new Blob([await page()]),
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const said = `${await new Response(check.stdout).text()}${await new Response(check.stderr).text()}`
    expect([await check.exited, said]).toEqual([0, ''])
  })

  test.if(long && prometheusProgram !== null)(
    'answer every query of the dashboards in a real Prometheus',
    async () => {
      await using asked = await startPrometheus([gateway.url])
      // A rate needs two samples, and calls between them.
      for (let round = 0; round < 4; round++) {
        await callAll(['work', 'fail', 'break'])
        await Bun.sleep(1_000)
      }
      for (const query of dashboardNames.flatMap((name) => dashboardQueries(name)))
        expect([query, (await asked.ask(query)).length > 0]).toEqual([query, true])
    },
  )
})
