/**
 * The published command reference (docs/reference/mcp-proxy-commands.txt), example by example, run in a shell as it
 * is printed there. Only the ports are others, because tests must not need a certain port to be free; the printed
 * ones are pinned as defaults in the first test.
 */
import { describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { documentedFetch } from '../support/api-document.ts'
import { commandOf, poll, repository } from '../support/gateway.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const reference = readFileSync(join(repository, 'docs', 'reference', 'mcp-proxy-commands.txt'), 'utf8')

/** The text, once every line of it stands in the reference in this order. Its indentation was lost when it was published. */
function printed(text: string): string {
  const flat = (lines: string): string =>
    lines
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean)
      .join('\n')
  if (!`\n${flat(reference)}\n`.includes(`\n${flat(text)}\n`))
    throw new Error(`The reference does not print:\n${text}`)
  return text
}

const configurationFile = printed(`
# compozy.yaml
mcp_proxy:
  host: "0.0.0.0"
  port: "6001"
  base_url: "http://localhost:6001"
  auth:
    global_tokens:
      - "your-auth-token"
    admin_tokens:
      - "admin-secret"
    admin_allow_ips:
      - "192.168.1.0/24"
      - "127.0.0.1"
  security:
    trusted_proxies:
      - "10.0.0.0/8"
      - "172.16.0.0/12"
      - "192.168.0.0/16"
  logging:
    level: "info"
    format: "json"
`)

/** A port that was free a moment ago. */
async function freePort(): Promise<string> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return String(address.port)
}

/** jq where the machine has none: the two filters of the reference. */
const standInForJq = `#!${process.execPath}
const text = await Bun.stdin.text()
for (const line of text.split('\\n').filter(Boolean)) {
  const value = JSON.parse(line)
  console.log(process.argv.includes('-r') ? value.path : JSON.stringify(value, null, 2))
}
`

class Shell implements AsyncDisposable {
  readonly directory: TemporaryDirectory
  readonly #started: RunningProcess[] = []
  readonly #path: string

  constructor(files: Readonly<Record<string, string>> = {}) {
    this.directory = temporaryDirectory(files)
    const bin = join(this.directory.path, 'bin')
    mkdirSync(bin)
    const [executable = ''] = commandOf('executable')
    writeFileSync(join(bin, 'compozy'), `#!/bin/sh\nexec ${executable} "$@"\n`)
    if (Bun.which('jq') === null) writeFileSync(join(bin, 'jq'), standInForJq)
    for (const name of ['compozy', ...(Bun.which('jq') === null ? ['jq'] : [])])
      chmodSync(join(bin, name), 0o755)
    this.#path = `${bin}:${process.env['PATH'] ?? ''}`
  }

  /** Starts an example that runs the gateway; resolves with its URL once it listens. */
  async gateway(script: string): Promise<string> {
    const started = startProcess({
      command: ['bash', '-c', script],
      cwd: this.directory.path,
      env: { PATH: this.#path, HOME: this.directory.path },
    })
    this.#started.push(started)
    const line = await started.line((candidate) => candidate.includes('"listening"'))
    return JSON.parse(line).url
  }

  /** Runs an example to its end and gives what it printed. */
  async output(script: string): Promise<string> {
    const child = Bun.spawn(['bash', '-c', script], {
      cwd: this.directory.path,
      env: { PATH: this.#path, HOME: this.directory.path },
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [stdout] = await Promise.all([new Response(child.stdout).text(), child.exited])
    return stdout
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.#started) await started.kill()
    this.directory[Symbol.dispose]()
  }
}

async function status(url: string, token?: string): Promise<number> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const response = await documentedFetch(url, { headers })
  await response.arrayBuffer()
  return response.status
}

describe('flags and environment variables', () => {
  test('have the printed defaults', async () => {
    await using shell = new Shell()
    const printed = JSON.parse(await shell.output('compozy config print --json')).mcp_proxy
    expect(printed.host.value).toBe('127.0.0.1')
    expect(printed.port.value).toBe(6001)
    expect(printed.base_url.value).toBeNull()
    for (const key of ['global_tokens', 'admin_tokens', 'admin_allow_ips'])
      expect(printed[`auth.${key}`].value).toEqual([])
    expect(printed['security.trusted_proxies'].value).toEqual([])
    expect(printed['logging.level'].value).toBe('info')
  })

  test.each([
    { flag: '--mcp-host localhost', variable: 'MCP_PROXY_HOST=localhost', key: 'host', value: 'localhost' },
    { flag: '--mcp-port 9000', variable: 'MCP_PROXY_PORT=9000', key: 'port', value: 9000 },
    {
      flag: '--mcp-base-url http://localhost:9000',
      variable: 'MCP_PROXY_BASE_URL=http://localhost:9000',
      key: 'base_url',
      value: 'http://localhost:9000',
    },
    {
      flag: '--mcp-global-auth-tokens "token1,token2"',
      variable: 'MCP_PROXY_GLOBAL_AUTH_TOKENS="token1,token2"',
      key: 'auth.global_tokens',
      value: ['***', '***'],
    },
    {
      flag: '--mcp-admin-tokens "admin-secret"',
      variable: 'MCP_PROXY_ADMIN_TOKENS="admin-secret"',
      key: 'auth.admin_tokens',
      value: ['***'],
    },
    {
      flag: '--mcp-admin-allow-ips "192.168.1.0/24,10.0.0.0/8"',
      variable: 'MCP_PROXY_ADMIN_ALLOW_IPS="192.168.1.0/24,10.0.0.0/8"',
      key: 'auth.admin_allow_ips',
      value: ['192.168.1.0/24', '10.0.0.0/8'],
    },
    {
      flag: '--mcp-trusted-proxies "10.0.0.0/8,172.16.0.1"',
      variable: 'MCP_PROXY_TRUSTED_PROXIES="10.0.0.0/8,172.16.0.1"',
      key: 'security.trusted_proxies',
      value: ['10.0.0.0/8', '172.16.0.1'],
    },
    { flag: '--debug', variable: 'MCP_PROXY_DEBUG=true', key: 'logging.level', value: 'debug' },
    {
      flag: '--mcp-shutdown-timeout 30s',
      variable: 'MCP_PROXY_SHUTDOWN_TIMEOUT=30s',
      key: 'shutdown_timeout',
      value: '30s',
    },
  ])('$flag and $variable say the same', async ({ flag, variable, key, value }) => {
    await using shell = new Shell()
    const [fromFlag, fromVariable] = await Promise.all([
      shell.output(`compozy config print --json ${flag}`),
      shell.output(`export ${variable}\ncompozy config print --json`),
    ])
    expect(JSON.parse(fromFlag).mcp_proxy[key]).toMatchObject({ value, layer: 'flag' })
    expect(JSON.parse(fromVariable).mcp_proxy[key]).toMatchObject({ value, layer: 'env' })
  })

  test('flags take precedence over variables', async () => {
    await using shell = new Shell()
    const printed = await shell.output('export MCP_PROXY_PORT=1\ncompozy config print --json --mcp-port 9000')
    expect(JSON.parse(printed).mcp_proxy.port).toEqual({
      value: 9000,
      layer: 'flag',
      origin: 'flag --mcp-port',
    })
  })
})

describe('examples', () => {
  test('basic usage', async () => {
    await using shell = new Shell()
    const port = await freePort()
    const url = await shell.gateway(`export MCP_PROXY_PORT=${port}\n${printed('compozy mcp-proxy')}`)
    expect(url).toBe(`http://127.0.0.1:${port}`)
    expect(await status(`${url}/healthz`)).toBe(200)
  })

  test('custom port and host', async () => {
    await using shell = new Shell()
    const port = await freePort()
    const script = printed('compozy mcp-proxy --mcp-host localhost --mcp-port 9000').replace('9000', port)
    expect(await shell.gateway(script)).toBe(`http://localhost:${port}`)
    expect(await status(`http://localhost:${port}/healthz`)).toBe(200)
  })

  test('with authentication', async () => {
    await using shell = new Shell()
    const script = printed(`compozy mcp-proxy \\
      --mcp-global-auth-tokens "token1,token2" \\
      --mcp-admin-tokens "admin-secret" \\
      --mcp-admin-allow-ips "192.168.1.0/24,10.0.0.0/8"`)
    const url = await shell.gateway(`MCP_PROXY_PORT=${await freePort()} ${script}`)
    const server = `${url}/mcp-proxy/unknown/stream`
    expect([await status(server), await status(server, 'token3')]).toEqual([401, 401])
    expect([await status(server, 'token1'), await status(server, 'token2')]).toEqual([404, 404])
    // The token is right; the address is not in the list.
    expect(await status(`${url}/admin/mcps`, 'admin-secret')).toBe(403)
    expect(await status(`${url}/healthz`)).toBe(200)
  })

  test('debug mode', async () => {
    await using shell = new Shell()
    const url = await shell.gateway(
      `export MCP_PROXY_PORT=${await freePort()}\n${printed('compozy mcp-proxy --debug')}`,
    )
    expect(await status(`${url}/healthz`)).toBe(200)
  })

  test('using environment variables', async () => {
    await using shell = new Shell()
    const port = await freePort()
    const script = printed(`export MCP_PROXY_HOST=localhost
export MCP_PROXY_PORT=9000
export MCP_PROXY_BASE_URL=http://localhost:9000
compozy mcp-proxy`)
    const url = await shell.gateway(script.replaceAll('9000', port))
    expect(url).toBe(`http://localhost:${port}`)
    expect(await status(`${url}/healthz`)).toBe(200)
  })

  test('mixed configuration', async () => {
    await using shell = new Shell()
    const script = printed(`export MCP_PROXY_GLOBAL_AUTH_TOKENS="token1,token2"
export MCP_PROXY_ADMIN_TOKENS="admin-secret"
compozy mcp-proxy --mcp-host localhost --mcp-port 9000 --debug`)
    const url = await shell.gateway(script.replace('9000', await freePort()))
    expect([await status(`${url}/admin/mcps`), await status(`${url}/admin/mcps`, 'admin-secret')]).toEqual([
      401, 200,
    ])
    expect(await status(`${url}/mcp-proxy/unknown/stream`, 'token2')).toBe(404)
  })

  test('configuration file, with its port as a text', async () => {
    const port = await freePort()
    await using shell = new Shell({ 'etc/proxy.yaml': configurationFile.replaceAll('6001', port) })
    const url = await shell.gateway('compozy mcp-proxy --config etc/proxy.yaml')
    expect(url).toBe(`http://0.0.0.0:${port}`)
    const local = `http://localhost:${port}`
    expect([
      await status(`${local}/admin/mcps`),
      await status(`${local}/admin/mcps`, 'admin-secret'),
    ]).toEqual([401, 200])
    const server = `${local}/mcp-proxy/unknown/stream`
    expect([await status(server), await status(server, 'your-auth-token')]).toEqual([401, 404])
  })

  test('configuration file, every key of it', async () => {
    await using shell = new Shell({ 'compozy.yaml': configurationFile })
    const printed = JSON.parse(await shell.output('compozy config print --json')).mcp_proxy
    const fromFile = Object.keys(printed).filter((key) => printed[key].layer === 'file')
    expect(Object.fromEntries(fromFile.map((key) => [key, printed[key].value]))).toEqual({
      host: '0.0.0.0',
      port: 6001,
      base_url: 'http://localhost:6001',
      'auth.global_tokens': ['***'],
      'auth.admin_tokens': ['***'],
      'auth.admin_allow_ips': ['192.168.1.0/24', '127.0.0.1'],
      'security.trusted_proxies': ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
      'logging.level': 'info',
      'logging.format': 'json',
    })
  })
})

describe('monitoring', () => {
  test('the health check answers as printed, to GET and to the HEAD of wget --spider', async () => {
    await using shell = new Shell()
    const url = await shell.gateway(`compozy mcp-proxy --mcp-host localhost --mcp-port ${await freePort()}`)
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok' })
    expect((await fetch(`${url}/healthz`, { method: 'HEAD' })).status).toBe(200)
  })

  test('the log can be followed, filtered for errors and counted by path', async () => {
    await using shell = new Shell({ 'compozy.yaml': 'mcp_proxy: {}' })
    const url = await shell.gateway(`export MCP_PROXY_PORT=${await freePort()}
compozy mcp-proxy > >(tee mcp-proxy.log) &
echo $! > pid
wait`)
    for (const path of ['/admin/mcps', '/admin/mcps', '/nowhere?token=secret']) await status(`${url}${path}`)

    const counted = `grep '"path":' mcp-proxy.log | \\
      jq -r '.path' | sort | uniq -c | sort -nr`
    await poll('the requests in the log', async () => (await shell.output(counted)).includes('nowhere'))
    expect((await shell.output(counted)).split('\n').map((line) => line.trim())).toEqual([
      '2 /admin/mcps',
      '1 /nowhere',
      '',
    ])

    // A file that cannot be read again is an error, and the only one.
    writeFileSync(join(shell.directory.path, 'compozy.yaml'), 'mcp_proxy: [')
    await shell.output('kill -HUP $(cat pid)')
    const errors = `grep '"level":"error"' mcp-proxy.log | jq '.'`
    await poll('the error in the log', async () => (await shell.output(errors)) !== '')
    expect(JSON.parse(await shell.output(errors))).toMatchObject({ level: 'error', time: expect.any(String) })

    expect(await shell.output("timeout 1 tail -n +1 -f mcp-proxy.log | jq '.'")).toContain(
      '"msg": "listening"',
    )
  })
})
