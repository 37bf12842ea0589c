/** The clients: what each is, what it speaks, and how its program is started. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  goProgram,
  javaClassPath,
  type Language,
  nodePackages,
  programs,
  pythonWith,
  rustProgram,
} from './toolchain.ts'

/** The two ways in at a server. */
export type Endpoint = 'stream' | 'sse'

export interface OfficialClient {
  /** As the table calls it. */
  readonly name: string
  readonly version: string
  readonly language: Language
  readonly endpoints: readonly Endpoint[]
  /** Tried by the suite, on a machine that has the language; the others by `bun run clients` alone. */
  readonly inSuite: boolean
  /** Installs it when it is not there, and answers its command line but for endpoint, URL and token. */
  command(): Promise<readonly string[]>
  /** Words after endpoint, URL and token. */
  readonly words: readonly string[]
}

const both: readonly Endpoint[] = ['stream', 'sse']

/** The version that a file of this folder pins. */
function pinned(file: string, pattern: RegExp): string {
  const version = pattern.exec(readFileSync(join(programs, file), 'utf8'))?.[1]
  if (version === undefined) throw new Error(`${file} pins nothing like ${pattern}`)
  return version
}

/** How a program of one language is started. */
interface Start {
  readonly language: Language
  command(): Promise<readonly string[]>
}

function python(environment: string, program: string): Start {
  const path = join(programs, 'python', `${program}.py`)
  return { language: 'Python', command: async () => [await pythonWith(environment), path] }
}

function node(program: string): Start {
  return { language: 'Node', command: async () => ['node', join(await nodePackages(), program)] }
}

const go: Start = { language: 'Go', command: async () => [await goProgram('features')] }
const rust: Start = { language: 'Rust', command: async () => [await rustProgram()] }
const java: Start = {
  language: 'Java',
  command: async () => ['java', '-XX:TieredStopAtLevel=1', '-cp', await javaClassPath(), 'Features'],
}

function client(
  name: string,
  version: string,
  start: Start,
  rest: Partial<Pick<OfficialClient, 'words' | 'endpoints' | 'inSuite'>> = {},
): OfficialClient {
  return { name, version, ...start, endpoints: both, inSuite: false, words: [], ...rest }
}

const python2 = pinned('python/sdk2.txt', /^mcp==(\S+)/m)
const fastmcp = pinned('python/sdk2.txt', /^fastmcp==(\S+)/m)
const goSdk = pinned('go/go.mod', /modelcontextprotocol\/go-sdk v(\S+)/)
const mcpGo = pinned('go/go.mod', /mark3labs\/mcp-go v(\S+)/)
const rmcp = pinned('rust/Cargo.toml', /rmcp = .*"=([\d.]+)"/)
const javaSdk = pinned('java/pom.xml', /<artifactId>mcp<\/artifactId>\s*<version>([^<]+)/)
const remote = pinned('node/package.json', /"mcp-remote": "([^"]+)"/)
const vercel = pinned('node/package.json', /"@ai-sdk\/mcp": "([^"]+)"/)

/** In the order of the table. */
export const officialClients: readonly OfficialClient[] = [
  client('Python SDK 1.x', pinned('python/sdk1.txt', /^mcp==(\S+)/m), python('sdk1', 'sdk1'), {
    inSuite: true,
  }),
  client('Python SDK 2.x', python2, python('sdk2', 'sdk2'), { words: ['auto'] }),
  client('Python SDK 2.x, legacy', python2, python('sdk2', 'sdk2'), { words: ['legacy'] }),
  client('fastmcp', fastmcp, python('sdk2', 'fast'), { words: ['auto'] }),
  client('fastmcp, legacy', fastmcp, python('sdk2', 'fast'), { words: ['legacy'] }),
  client(
    'openai-agents',
    pinned('python/sdk2.txt', /^openai-agents==(\S+)/m),
    python('sdk2', 'agents_client'),
  ),
  client('Go SDK', goSdk, go, { words: ['go-sdk', 'auto'], inSuite: true }),
  client('Go SDK, legacy', goSdk, go, { words: ['go-sdk', 'legacy'], inSuite: true }),
  client('mcp-go', mcpGo, go, { words: ['mcp-go', 'auto'] }),
  client('mcp-go, legacy', mcpGo, go, { words: ['mcp-go', 'legacy'] }),
  client('rmcp', rmcp, rust, { words: ['auto'], endpoints: ['stream'] }),
  client('rmcp, legacy', rmcp, rust, { words: ['legacy'], endpoints: ['stream'] }),
  client('Java SDK', javaSdk, java),
  client('mcp-remote', remote, node('remote.mjs')),
  client('@ai-sdk/mcp', vercel, node('ai-sdk.mjs')),
]
