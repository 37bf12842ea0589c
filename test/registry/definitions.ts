/** Definitions for the tests of this room: by hand, and arbitrary ones. */
import fc from 'fast-check'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { parseDefinition } from '../../src/registry/definition-schema.ts'

const now = '2026-01-02T03:04:05.000Z'

/** `${NAME}`, written so that it is not taken for a template string that lost its backticks. */
export function reference(name: string): string {
  return `\${${name}}`
}

/** A definition from its wire form; fails the test when it is refused. */
export function definitionOf(input: Readonly<Record<string, unknown>>): ServerDefinition {
  const parsed = parseDefinition(input, { now, allowCwd: true })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.definition
}

const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,11}$/)
const printable = fc.string({ unit: 'grapheme-ascii', maxLength: 40 })
const noNul = fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.replaceAll('\0', ''))
const headerName = fc.stringMatching(/^X-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,16}$/)
const envName = fc.oneof(word, fc.constantFrom('__proto__', 'constructor', 'API_KEY', 'a.b(c)'))
const value = fc.oneof(
  printable,
  word.map(reference),
  word.map((name) => `Bearer ${reference(name)}`),
)

/** Pieces of which command lines are made, with everything that masking knows about. */
const argument = fc.oneof(
  noNul,
  printable,
  word,
  value,
  fc.constantFrom('--token', '--header', '-H', '-e', '--env', '--api-key', '--', '='),
  fc
    .tuple(fc.constantFrom('--token', '--x', 'API_KEY', 'a', '-e', '--header'), value)
    .map(([k, v]) => `${k}=${v}`),
  fc.tuple(word, word, word).map(([user, pass, host]) => `https://${user}:${pass}@${host}/x?a=${pass}&b#c`),
  fc.tuple(word, fc.base64String({ minLength: 24, maxLength: 60 })).map(([k, v]) => `${k} ${v} "*${v}*"`),
  fc.uuid(),
)

const url = fc
  .record({
    userinfo: fc.option(fc.tuple(word, fc.option(fc.oneof(word, word.map(reference))))),
    host: fc.constantFrom('h', 'example.com:8080', '[::1]:1', '10.0.0.1'),
    path: fc.array(fc.oneof(word, fc.uuid(), fc.webPath()), { maxLength: 4 }),
    query: fc.option(fc.array(fc.tuple(word, fc.option(fc.webQueryParameters())), { maxLength: 4 })),
    fragment: fc.option(fc.webFragments()),
  })
  .map(({ userinfo, host, path, query, fragment }) => {
    const user = userinfo === null ? '' : `${userinfo.filter((part) => part !== null).join(':')}@`
    const pairs = query?.map(([name, text]) => (text === null ? name : `${name}=${text}`)).join('&')
    const tail = (pairs === undefined ? '' : `?${pairs}`) + (fragment === null ? '' : `#${fragment}`)
    return `https://${user}${host}/${path.join('/')}${tail}`
  })

const duration = fc.oneof(
  fc.integer({ min: 1, max: 86_400_000 }).map((ms) => `${ms}ms`),
  fc.integer({ min: 1, max: 86_400_000 }).map((ms) => ms * 1_000_000),
)

const shared = {
  name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  description: fc.string({ unit: 'binary', maxLength: 40 }),
  args: fc.array(argument, { maxLength: 8 }),
  env: fc.dictionary(envName, noNul, { maxKeys: 5 }),
  headers: fc
    .uniqueArray(fc.tuple(headerName, value), {
      maxLength: 5,
      selector: ([name]) => name.toLowerCase(),
    })
    .map((entries) => Object.fromEntries(entries)),
  timeout: duration,
  autoReconnect: fc.boolean(),
  maxReconnects: fc.nat(1_000_000),
  reconnectDelay: duration,
  healthCheckEnabled: fc.boolean(),
  healthCheckInterval: duration,
  logEnabled: fc.boolean(),
  toolFilter: fc.record({
    mode: fc.constantFrom('allow', 'block'),
    list: fc.array(printable, { maxLength: 4 }),
  }),
  tags: fc.dictionary(word, printable, { maxKeys: 3 }),
  isolation: fc.constantFrom('auto', 'session', 'shared'),
  affinity: fc.constantFrom('auto', 'none'),
  onOwnerLoss: fc.constantFrom('restart', 'end'),
  startTimeout: duration,
  forwardHeaders: fc.array(headerName, { maxLength: 3 }),
  authTokens: fc.array(fc.stringMatching(/^[\x21-\x7e]{1,24}$/), { maxLength: 4 }),
  authTokensOnly: fc.boolean(),
  allowedIPs: fc.array(fc.constantFrom('10.0.0.0/8', '::1', '192.0.2.7', '2001:db8::/32'), { maxLength: 3 }),
  requireAuth: fc.boolean(),
  pin: fc.boolean(),
}

const required: ('name' | 'transport')[] = ['name', 'transport']
const command = fc.oneof(word, fc.constant('/opt/a b/run --token x'))

const toolName = fc.oneof(word, fc.constantFrom('__proto__', 'files.read', 'ünï ✓'))
const member = fc
  .tuple(
    fc.oneof(
      fc.record({ server: word }),
      fc.record({
        tag: fc.oneof(
          word,
          fc.tuple(word, word).map((pair) => pair.join('=')),
        ),
      }),
      fc.constant({ all: true }),
    ),
    fc.record(
      {
        prefix: fc.stringMatching(/^[a-zA-Z0-9_-]{0,32}$/),
        allow: fc.array(toolName, { maxLength: 3 }),
        block: fc.array(toolName, { maxLength: 3 }),
        rename: fc.dictionary(toolName, word, { maxKeys: 3 }),
        describe: fc.dictionary(toolName, printable, { maxKeys: 3 }),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([which, how]) => ({ ...how, ...which }))
const group = fc.record(
  {
    name: shared.name,
    description: shared.description,
    transport: fc.constant('group'),
    members: fc.array(member, { minLength: 1, maxLength: 4 }),
    naming: fc.constantFrom('prefix', 'plain'),
    exposure: fc.constantFrom('all', 'search'),
    always: fc.array(toolName, { maxLength: 3 }),
    listWait: duration,
    toolFilter: shared.toolFilter,
    tags: shared.tags,
    affinity: shared.affinity,
    onOwnerLoss: shared.onOwnerLoss,
    authTokens: shared.authTokens,
  },
  { requiredKeys: ['name', 'transport', 'members'] },
)

/** Wire inputs, nearly all of which `parseDefinition` accepts. */
const wire = fc.oneof(
  fc
    .tuple(
      fc.record({ ...shared, transport: fc.constant('stdio'), cwd: word }, { requiredKeys: required }),
      command,
    )
    .map(([input, text]) => ({ ...input, command: text })),
  fc
    .tuple(
      fc.record(
        { ...shared, transport: fc.constantFrom('sse', 'streamable-http') },
        { requiredKeys: required },
      ),
      url,
    )
    .map(([input, text]) => ({ ...input, url: text })),
  group,
)

/** Any definition; inputs that happen to contain a mask are passed over. */
export const anyDefinition: fc.Arbitrary<ServerDefinition> = wire
  .map((input) => parseDefinition(input, { now, allowCwd: true }))
  .filter((parsed) => parsed.ok)
  .map((parsed) => parsed.definition)
