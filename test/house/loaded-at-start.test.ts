/**
 * What the start of a gateway loads: each module costs an idle gateway memory for as long as it lives, and every start
 * its time.
 */
import { expect, test } from 'bun:test'
import { loadedWith, readTree, type Tree } from './source-tree.ts'

const tree = readTree('src')
/** `serve.ts` is loaded by a call, once the runtime has been started as it shall be. */
const start = ['src/main.ts', 'src/cli/serve/mcp-proxy.ts', 'src/cli/serve/serve.ts']
const loaded = loadedWith(tree, start)

test('a start loads no more files than it did', () => {
  const files = [...loaded].filter((name) => name.startsWith('src/'))
  // Whoever needs one more at the start raises this; whoever needs it only at times loads it then.
  expect(files.length).toBeLessThanOrEqual(290)
})

test.each([
  { what: 'console/', why: 'most gateways are never asked for it' },
  { what: 'cluster/forward/', why: 'most gateways are alone' },
  { what: 'cluster/workers/', why: 'most gateways are one process' },
  { what: 'credentials/vault/', why: 'most store no credentials' },
  { what: 'credentials/oauth/oauth-clients.ts', why: 'most servers want no login' },
  { what: 'group/search/', why: 'most groups show their tools themselves' },
  { what: 'http/api/openapi.ts', why: 'most are never asked for the document' },
  { what: 'identity/keys/', why: 'most have no keys' },
  { what: 'identity/sign-in/', why: 'nobody has signed in yet' },
  { what: 'telemetry/pretty-line.ts', why: 'only people at a terminal read it' },
  { what: 'upstream/transports/http/client/http-client.ts', why: 'behind many every server is a process' },
  { what: 'upstream/transports/http/sse.ts', why: 'behind many every server is a process' },
  { what: 'upstream/transports/http/streamable-http.ts', why: 'behind many every server is a process' },
])('a start does not load $what, because $why', ({ what }) => {
  expect([...tree.keys()].some((path) => path.startsWith(`src/${what}`))).toBe(true)
  expect([...loaded].filter((path) => path.startsWith(`src/${what}`))).toEqual([])
})

test.each([
  '@modelcontextprotocol/sdk',
  'ip-cidr',
  'ioredis',
  'jose',
  'minisearch',
  'oauth4webapi',
  'preact',
])('a start does not load the package %s', (name) => {
  expect([...loaded].filter((specifier) => specifier === name || specifier.startsWith(`${name}/`))).toEqual(
    [],
  )
})

test('what is loaded later, or is only a type, is not counted, and what that loads neither', () => {
  const files: Tree = new Map([
    [
      'src/a.ts',
      "import { b } from './b.ts'\nimport type { c } from './c.ts'\nconst d = () => import('./d.ts')",
    ],
    ['src/b.ts', "export { e } from './e.ts'"],
    ['src/d.ts', "import 'f'"],
  ])
  expect([...loadedWith(files, ['src/a.ts'])]).toEqual(['src/a.ts', 'src/b.ts', 'src/e.ts'])
})
