/** MCP servers as they are published: started, and toured with any client. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repository } from './gateway.ts'
import { type RunningProcess, startProcess } from './process.ts'
import type { SdkClient, Way } from './sdk-clients.ts'

const packages = join(repository, 'node_modules', '@modelcontextprotocol')
const everything = join(packages, 'server-everything', 'dist', 'index.js')

/** One published server: how to reach it, how to register it, and what to ask it. */
export interface RealServer {
  readonly name: string
  /** A way to a fresh copy of it, past the gateway. */
  readonly direct: Way
  /** Its definition for the gateway; it shares no state with the direct copy. */
  readonly definition: Readonly<Record<string, unknown>> & { readonly name: string }
  /** Asks everything whose answer does not change from one time to the next. */
  tour(client: SdkClient): Promise<Record<string, unknown>>
}

/** The servers, and what has to be put away afterwards. */
export interface RealServers extends AsyncDisposable {
  readonly servers: readonly RealServer[]
}

/** Starts those that listen, and makes the files that the others work on. */
export async function startRealServers(): Promise<RealServers> {
  const root = mkdtempSync(join(tmpdir(), 'real-servers-'))
  // What one server writes must not change what another one lists.
  const directory = join(root, 'toured')
  mkdirSync(directory)
  writeFileSync(join(directory, 'hello.txt'), 'first line\nsecond line with ünïcödé 世界 🎉\n')
  writeFileSync(join(directory, 'data.json'), '{"answer":42}\n')
  const [overSse, overHttp] = await Promise.all([startEverything('sse'), startEverything('streamableHttp')])
  const servers = [
    onStdio('everything', [everything, 'stdio'], tourEverything),
    onUrl('everything-sse', 'sse', `http://127.0.0.1:${overSse.port}/sse`, tourEverything),
    onUrl('everything-http', 'streamable-http', `http://127.0.0.1:${overHttp.port}/mcp`, tourEverything),
    onStdio('filesystem', [join(packages, 'server-filesystem', 'dist', 'index.js'), directory], (client) =>
      tourFilesystem(client, directory),
    ),
    onStdio('memory', [join(packages, 'server-memory', 'dist', 'index.js')], tourMemory, (copy) => ({
      MEMORY_FILE_PATH: join(root, `${copy}.jsonl`),
    })),
  ]
  return {
    servers,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([overSse.process.kill(), overHttp.process.kill()])
      rmSync(root, { recursive: true, force: true })
    },
  }
}

type Tour = RealServer['tour']

function onStdio(
  name: string,
  args: readonly string[],
  tour: Tour,
  envOf: (copy: string) => Record<string, string> = () => ({}),
): RealServer {
  return {
    name,
    tour,
    direct: { over: 'stdio', command: [process.execPath, ...args], env: envOf('direct') },
    definition: { name, transport: 'stdio', command: process.execPath, args, env: envOf('registered') },
  }
}

function onUrl(name: string, over: 'sse' | 'streamable-http', url: string, tour: Tour): RealServer {
  return { name, tour, direct: { over, url: new URL(url) }, definition: { name, transport: over, url } }
}

/**
 * The server takes a port and not "any port": one that was free a moment ago is tried, and another one
 * when somebody was faster.
 */
async function startEverything(mode: string): Promise<{ port: number; process: RunningProcess }> {
  for (let attempt = 0; ; attempt++) {
    const port = freePort()
    const server = startProcess({
      command: [process.execPath, everything, mode],
      env: { PORT: String(port) },
    })
    try {
      await server.line((line) => line.includes(`port ${port}`) && !line.includes('in use'))
      return { port, process: server }
    } catch (reason) {
      await server.kill()
      if (attempt === 3) throw reason
    }
  }
}

function freePort(): number {
  const probe = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() })
  const { port } = probe
  void probe.stop(true)
  if (port === undefined) throw new Error('no free port')
  return port
}

async function tourEverything(client: SdkClient): Promise<Record<string, unknown>> {
  const call = (name: string, args: Record<string, unknown> = {}) =>
    client.callTool({ name, arguments: args })
  const { resources } = await client.listResources()
  return {
    greeting: client.greeting(),
    tools: await client.listTools(),
    echo: await call('echo', { message: 'ünïcödé 世界 🎉 "quoted" \\ \u2028' }),
    sum: await call('get-sum', { a: 2, b: 3.5 }),
    image: await call('get-tiny-image'),
    annotated: await call('get-annotated-message', { messageType: 'error', includeImage: true }),
    structured: await call('get-structured-content', { location: 'Chicago' }),
    links: await call('get-resource-links', { count: 4 }),
    badArguments: await settled(call('get-sum', { a: 'two' })),
    unknownTool: await settled(call('no-such-tool')),
    resources,
    templates: await client.listResourceTemplates(),
    read: await Promise.all(resources.map(({ uri }) => client.readResource({ uri }))),
    unknownResource: await settled(client.readResource({ uri: 'demo://resource/none' })),
    prompts: await client.listPrompts(),
    prompt: await client.getPrompt({ name: 'args-prompt', arguments: { city: 'Paris', state: 'TX' } }),
    completion: await client.complete({
      ref: { type: 'ref/prompt', name: 'completable-prompt' },
      argument: { name: 'department', value: 'E' },
    }),
    completionInContext: await client.complete({
      ref: { type: 'ref/prompt', name: 'completable-prompt' },
      argument: { name: 'name', value: '' },
      context: { arguments: { department: 'Engineering' } },
    }),
  }
}

async function tourFilesystem(client: SdkClient, directory: string): Promise<Record<string, unknown>> {
  const call = (name: string, args: Record<string, unknown> = {}) =>
    client.callTool({ name, arguments: args })
  const path = join(directory, 'hello.txt')
  return {
    greeting: client.greeting(),
    tools: await client.listTools(),
    allowed: await call('list_allowed_directories'),
    listing: await call('list_directory', { path: directory }),
    text: await call('read_text_file', { path }),
    head: await call('read_text_file', { path, head: 1 }),
    several: await call('read_multiple_files', { paths: [path, join(directory, 'data.json')] }),
    written: await call('write_file', { path: join(directory, 'data.json'), content: '{"answer":42}\n' }),
    outside: await settled(call('read_text_file', { path: '/etc/hostname' })),
  }
}

async function tourMemory(client: SdkClient): Promise<Record<string, unknown>> {
  const call = (name: string, args: Record<string, unknown> = {}) =>
    client.callTool({ name, arguments: args })
  const ada = { name: 'Ada', entityType: 'person', observations: ['wrote the first program'] }
  return {
    greeting: client.greeting(),
    tools: await client.listTools(),
    // Left over from the client before, if there was one.
    deleted: await call('delete_entities', { entityNames: ['Ada', 'Engine'] }),
    created: await call('create_entities', {
      entities: [ada, { name: 'Engine', entityType: 'machine', observations: [] }],
    }),
    related: await call('create_relations', {
      relations: [{ from: 'Ada', to: 'Engine', relationType: 'programs' }],
    }),
    graph: await call('read_graph'),
    found: await call('search_nodes', { query: 'program' }),
    resources: await client.listResources(),
    read: await client.readResource({ uri: 'memory://knowledge-graph' }),
  }
}

/** A failure is an answer too: its code and message have to arrive unchanged, but for the client's prefix. */
async function settled(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer
  } catch (thrown) {
    const { code, message, data } = thrown as { code?: unknown; message?: string; data?: unknown }
    return { code, message: message?.replace(/^(MCP error -?\d+: )+/, ''), data }
  }
}
