/** Every file of examples/ is used as its README says, against the gateway that it is for. */
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningGateway, repository, startGatewayProcess } from '../support/gateway.ts'
import { serveStreamableHttp } from '../support/raw/streamable-http.ts'
import { connectV1 } from '../support/sdk-clients.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

// Each starts a gateway, servers and clients; on a busy machine that takes longer than the runner waits by itself.
setDefaultTimeout(60_000)

const examples = join(repository, 'examples')
const packages = 'node_modules/@modelcontextprotocol'
const memoryServer = `${packages}/server-memory`
const everythingServer = `${packages}/server-everything`

/** Stands in for npx, so that nothing is downloaded: a package of the development dependencies, its data at HOME. */
const npx = `#!/bin/sh
case "$2" in
  *server-everything@*) exec ${process.execPath} ${join(repository, everythingServer, 'dist/index.js')} ;;
  *) MEMORY_FILE_PATH="$HOME/memory.jsonl" exec ${process.execPath} ${join(repository, memoryServer, 'dist/index.js')} ;;
esac
`

async function startExample(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<RunningGateway & { readonly docs: string }> {
  using stack = new DisposableStack()
  const directory = stack.use(temporaryDirectory({ npx }))
  chmodSync(join(directory.path, 'npx'), 0o755)
  const docs = serveStreamableHttp(0, () => {})
  const gateway = await startGatewayProcess({
    args,
    env: { MCP_PROXY_STORAGE_TYPE: 'memory', DOCS_URL: docs, ...env },
    path: `${directory.path}:${process.env['PATH'] ?? ''}`,
  })
  const kept = stack.move()
  return {
    ...gateway,
    docs,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      kept.dispose()
    },
  }
}

async function run(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = Bun.spawn([...command], {
    cwd: repository,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { stdout, stderr, exitCode }
}

async function statuses(gateway: RunningGateway): Promise<Record<string, string>> {
  const { mcps } = (await (await gateway.admin('/mcps')).json()) as {
    mcps: { status: { name: string; status: string } }[]
  }
  return Object.fromEntries(mcps.map(({ status }) => [status.name, status.status]))
}

describe('configuration', () => {
  test('compozy.yaml connects both servers and hides the tools that delete', async () => {
    await using gateway = await startExample(['--config', join(examples, 'compozy.yaml')])
    expect(await statuses(gateway)).toEqual({ memory: 'connected', docs: 'connected' })
    const { tools } = (await (await gateway.admin('/tools')).json()) as {
      tools: { name: string; mcpName: string }[]
    }
    const names = tools.filter(({ mcpName }) => mcpName === 'memory').map(({ name }) => name)
    expect(names).toContain('create_entities')
    expect(names.filter((name) => name.startsWith('delete_'))).toEqual([])
  })

  test('mcp-servers.json can be imported', async () => {
    await using gateway = await startExample(['--mcp-import', join(examples, 'mcp-servers.json')])
    expect(await statuses(gateway)).toEqual({ memory: 'connected', docs: 'connected' })
  })

  test('the first server of a clone runs with what Node.js brings', async () => {
    await using gateway = await startExample(['--config', join(repository, 'compozy.yaml')])
    expect(await statuses(gateway)).toEqual({ everything: 'connected' })
    const { version } = JSON.parse(readFileSync(join(repository, everythingServer, 'package.json'), 'utf8'))
    const shipped = readFileSync(join(repository, 'compozy.yaml'), 'utf8')
    expect(shipped).toContain(
      `command: npx\n    args: ["-y", "@modelcontextprotocol/server-everything@${version}"]`,
    )
  })

  test('both name the release of the server that the tests use', () => {
    const { version } = JSON.parse(readFileSync(join(repository, memoryServer, 'package.json'), 'utf8'))
    for (const name of ['compozy.yaml', 'mcp-servers.json', 'admin-api.sh'])
      expect(readFileSync(join(examples, name), 'utf8')).toContain(`server-memory@${version}"`)
  })
})

describe('clients', () => {
  test.each(readdirSync(join(examples, 'clients')))('%s leads to a server', async (name) => {
    await using gateway = await startExample(['--config', join(examples, 'compozy.yaml')])
    const settings = JSON.parse(readFileSync(join(examples, 'clients', name), 'utf8'))
    const servers: { url: string }[] = Object.values(settings.servers ?? settings.mcpServers)
    expect(servers.length).toBeGreaterThan(0)
    for (const { url } of servers) {
      const { origin, pathname } = new URL(url)
      expect(origin).toBe('http://127.0.0.1:6001')
      const over = pathname.endsWith('/sse') ? 'sse' : 'streamable-http'
      const client = await connectV1({ over, url: new URL(pathname, gateway.url) })
      expect((await client.listTools()).tools.length).toBeGreaterThan(0)
      await client.close()
    }
  })

  test('client.ts lists the tools and calls one', async () => {
    await using gateway = await startExample(['--config', join(examples, 'compozy.yaml')], {
      MCP_PROXY_GLOBAL_AUTH_TOKENS: 'of-a-client',
    })
    const url = `${gateway.url}/mcp-proxy/memory/stream`
    const command = [process.execPath, join(examples, 'client.ts'), url, 'read_graph']
    const { stdout, stderr, exitCode } = await run(command, { MCP_TOKEN: 'of-a-client' })
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
    expect(stdout).toContain('read_graph\n')
    expect(stdout).toContain('"type": "text"')
    expect((await run(command)).exitCode).toBe(1)
  })
})

test('admin-api.sh registers a server, calls it and removes it', async () => {
  await using gateway = await startExample([], { MCP_PROXY_ADMIN_TOKENS: 'of-an-admin' })
  const script = ['sh', join(examples, 'admin-api.sh')]
  const { stdout, stderr, exitCode } = await run(script, { GATEWAY: gateway.url, ADMIN_TOKEN: 'of-an-admin' })
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  expect(stdout).toContain('"name":"example-memory"')
  expect(stdout).toContain('\\"name\\": \\"compozy\\"')
  const left = await gateway.admin('/mcps/example-memory', {
    headers: { authorization: 'Bearer of-an-admin' },
  })
  expect(left.status).toBe(404)
  expect((await run(script, { GATEWAY: gateway.url })).exitCode).not.toBe(0)
})

test('the README names every file', () => {
  const readme = readFileSync(join(examples, 'README.md'), 'utf8')
  const files = readdirSync(examples, { recursive: true, encoding: 'utf8' })
  expect(
    files.filter((path) => /\.\w+$/.test(path) && path !== 'README.md' && !readme.includes(path)),
  ).toEqual([])
})
