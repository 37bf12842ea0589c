/** What must hold for every definition there can be. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { parseDefinition } from '../../src/registry/definition-schema.ts'
import { definitionToStored, definitionToWire } from '../../src/registry/definition-wire.ts'
import { mergeMasked } from '../../src/registry/merge-masked.ts'
import { anyDefinition, definitionOf } from './definitions.ts'

const runs = { numRuns: 500 }

test('sending back what GET showed changes nothing', () => {
  fc.assert(
    fc.property(anyDefinition, (definition) => {
      const received: unknown = JSON.parse(JSON.stringify(definitionToWire(definition)))
      const parsed = parseDefinition(mergeMasked(received, definition), {
        now: definition.updatedAt,
        previous: definition,
        allowCwd: true,
      })
      expect(parsed).toEqual({ ok: true, definition })
    }),
    runs,
  )
})

test('the stored form reads back as the same definition', () => {
  fc.assert(
    fc.property(anyDefinition, (definition) => {
      const stored: unknown = JSON.parse(JSON.stringify(definitionToStored(definition)))
      const parsed = parseDefinition(stored, { now: definition.updatedAt, allowCwd: true })
      expect(parsed).toEqual({ ok: true, definition })
    }),
    runs,
  )
})

/** Where a secret may stand, and the definition that has it there. */
const places: Readonly<Record<string, (secret: string) => Record<string, unknown>>> = {
  'a value of env': (s) => stdio({ env: { ANY: s } }),
  'a value of headers': (s) => http({ headers: { 'X-Any': s } }),
  'a bearer header': (s) => http({ headers: { Authorization: `Bearer ${s}` } }),
  'a token of the server': (s) => http({ authTokens: [s] }),
  'the user of the URL': (s) => http({ url: `https://${s}@h/` }),
  'the password of the URL': (s) => http({ url: `https://u:${s}@h/` }),
  'a query value': (s) => http({ url: `https://h/?any=${s}&b=1` }),
  'the fragment': (s) => http({ url: `https://h/#${s}` }),
  'behind --token': (s) => stdio({ args: ['--token', s, 'x'] }),
  'in --api-key=': (s) => stdio({ args: [`--api-key=${s}`] }),
  'in SECRET=': (s) => stdio({ args: [`MY_SECRET=${s}`] }),
  'in a header argument': (s) => stdio({ args: ['--header', `X-Any: ${s}`] }),
  'in a header flag': (s) => stdio({ args: [`--header=X-Any:${s}`] }),
  'in a variable argument': (s) => stdio({ args: ['-e', `ANY=${s}`] }),
  'behind Bearer': (s) => stdio({ args: [`send Bearer ${s}!`] }),
  'in a connection URL': (s) => stdio({ args: [`postgres://u:${s}@h/db`] }),
  'in the query of a URL argument': (s) => stdio({ args: [`--url=https://h/x?any=${s}`] }),
  'in JSON': (s) => stdio({ args: [JSON.stringify({ a: 1, password: s })] }),
  'in a connection string': (s) => stdio({ args: [`Server=h;Password=${s};Uid=u`] }),
  "under a vendor's prefix": (s) => stdio({ args: [`${'gh'}p_${s}`] }),
  'in the command': (s) => stdio({ command: `run --token=${s}` }),
}

function stdio(extra: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { name: 'a', transport: 'stdio', command: 'run', ...extra }
}

function http(extra: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { name: 'a', transport: 'sse', url: 'https://h/', ...extra }
}

test.each(Object.keys(places))('no secret survives masking: %s', (place) => {
  const build = places[place] ?? (() => ({}))
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{10,40}$/), (secret) => {
      const shown = JSON.stringify(definitionToWire(definitionOf(build(secret))))
      expect(shown).not.toContain(secret)
    }),
    { numRuns: 100 },
  )
})
