/** `GET /admin/config`: what is in force, where it came from, and how the last reload ended. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { namedSettings } from '../../src/config/shape.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { rawStdio } from '../support/supervised.ts'

interface Report {
  readonly file: string | null
  readonly settings: readonly {
    readonly key: string
    readonly value: unknown
    readonly layer: string
    readonly origin: string
    readonly waits: boolean
  }[]
  readonly servers: readonly { readonly name: string; readonly origin: string }[]
  readonly warnings: readonly string[]
  readonly reload: {
    readonly cause: string
    readonly report: { readonly needsRestart: readonly string[] } | null
    readonly reason: string | null
  } | null
}

const secret = 'canary-token-0123456789'
const bearer = { authorization: `Bearer ${secret}` }

describe('the configuration as admins are told it', () => {
  let gateway: RunningGateway
  const write = (settings: object): void =>
    writeFileSync(
      join(gateway.directory, 'compozy.yaml'),
      JSON.stringify({ mcp_proxy: settings, mcps: [rawStdio('raw')] }),
    )
  const told = async (): Promise<Report> => {
    const answer = await gateway.admin('/config', { headers: bearer })
    expect(answer.status).toBe(200)
    const text = await answer.text()
    expect(text).not.toContain(secret)
    return JSON.parse(text) as Report
  }
  const setting = (report: Report, key: string) => report.settings.find((each) => each.key === key)
  const reload = () => gateway.admin('/reload', { method: 'POST', headers: bearer })

  beforeAll(async () => {
    gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcp_proxy: { limits: { sessions_max: 7 }, timeouts: { session_idle: '5m' } },
        mcps: [rawStdio('raw')],
      },
      env: { MCP_PROXY_ADMIN_TOKENS: secret, MCP_PROXY_LIMITS_BODY_BYTES_MAX: '1MiB' },
      untilReady: false,
    })
  })
  afterAll(async () => {
    await gateway.stop()
  })

  test.each([
    { why: 'the file', key: 'limits.sessions_max', value: 7, layer: 'file', origin: 'file compozy.yaml' },
    {
      why: 'a variable, a size with its unit',
      key: 'limits.body_bytes_max',
      value: '1MiB',
      layer: 'env',
      origin: 'env MCP_PROXY_LIMITS_BODY_BYTES_MAX',
    },
    { why: 'a flag', key: 'port', value: 0, layer: 'flag', origin: 'flag --mcp-port' },
    { why: 'nowhere', key: 'limits.processes_max', value: 256, layer: 'default', origin: 'default' },
    {
      why: 'a variable, as a secret',
      key: 'auth.admin_tokens',
      value: ['***'],
      layer: 'env',
      origin: 'env MCP_PROXY_ADMIN_TOKENS',
    },
  ])('$key is from $why', async ({ key, value, layer, origin }) => {
    expect(setting(await told(), key)).toMatchObject({ value, layer, origin, waits: false })
  })

  test('every setting is there, with the servers of the file', async () => {
    const report = await told()
    expect(report.settings.map(({ key }) => key)).toEqual(namedSettings.map(({ key }) => key))
    expect(report.file).toBe('compozy.yaml')
    expect(report.servers).toEqual([{ name: 'raw', origin: expect.stringMatching(/^file compozy\.yaml/) }])
  })

  test('a reload is told with what it changed, and what waits for a restart keeps value and origin', async () => {
    write({ limits: { sessions_max: 9 }, storage: { type: 'memory' } })
    expect((await reload()).status).toBe(200)
    const report = await told()
    expect(setting(report, 'limits.sessions_max')).toMatchObject({ value: 9, layer: 'file' })
    expect(setting(report, 'timeouts.session_idle')).toMatchObject({ value: '30m', layer: 'default' })
    expect(setting(report, 'storage.type')).toMatchObject({ value: 'sqlite', layer: 'default', waits: true })
    expect(report.reload).toMatchObject({ report: { needsRestart: ['storage.type'] }, reason: null })
    expect(report.reload?.cause).toStartWith('POST /admin/reload by admin:')
  })

  test('a configuration that was not taken is told with the reason, and what was in force before', async () => {
    write({ limits: { sessions_max: 'many' } })
    expect((await reload()).status).toBe(422)
    const report = await told()
    expect(setting(report, 'limits.sessions_max')).toMatchObject({ value: 9 })
    expect(report.reload).toMatchObject({ report: null, reason: expect.stringContaining('sessions_max') })
  })

  test('nobody without an admin token is told anything', async () => {
    expect((await gateway.admin('/config')).status).toBe(401)
  })
})
