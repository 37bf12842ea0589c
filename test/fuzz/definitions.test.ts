/** Definitions: whatever an admin sends is taken or refused in words, and no secret moves to another place. */
import { expect } from 'bun:test'
import fc from 'fast-check'
import { isObject } from '../../src/protocol/json.ts'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { definitionWireSchema, parseDefinition } from '../../src/registry/definition-schema.ts'
import { definitionToStored, definitionToWire, secretValuesOf } from '../../src/registry/definition-wire.ts'
import { maskArgs, maskText, maskUrl } from '../../src/registry/mask.ts'
import { mergeMasked } from '../../src/registry/merge-masked.ts'
import { anyDefinition, definitionOf } from '../registry/definitions.ts'
import { cases } from './cases.ts'
import { fuzz } from './fuzzer.ts'
import { mutated } from './inputs.ts'

const now = '2026-01-02T03:04:05.000Z'
const fields = Object.keys(definitionWireSchema.properties)
/** Long enough to be told from the words of a reason. */
const canary = 'cAn4ry-v4lue-0f-a-fi3ld'
const oddValue = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    1e300,
    '',
    '***',
    '30s',
    '-5ms',
    '1e3h',
    canary,
    `a\n${canary}`,
    [canary],
    { a: canary },
    [[]],
    { mode: 'allow', list: [canary, 7] },
    { mode: canary, list: [] },
    { '': canary, 'a=b': canary, X: `${canary}\0` },
  ),
  fc.jsonValue().map((value) => value as unknown),
)
const changedWire = fc
  .tuple(
    anyDefinition.map((definition) => definitionToStored(definition) as Readonly<Record<string, unknown>>),
    fc.dictionary(
      fc.oneof(
        fc.constantFrom(...fields),
        fc.constantFrom('Name', 'comand', '__proto__', 'toString', '', 'a/b~c'),
      ),
      oddValue,
      { maxKeys: 4 },
    ),
  )
  .map(([wire, changes]) => JSON.stringify({ ...wire, ...changes }))
const jsonTokens = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  'null',
  '1',
  '\\n',
  '\\u0000',
  '***',
  '"env":',
  '"url":"http://a/",',
]

fuzz('whatever comes is a definition, or is refused by the names of its fields without its values', {
  inputs: fc.oneof(
    changedWire,
    mutated(changedWire, jsonTokens),
    fc.jsonValue().map((value) => JSON.stringify(value)),
  ),
  cases: cases.definitions,
  runs: 1_000,
  holds: (text) => {
    let input: unknown
    try {
      input = JSON.parse(text)
    } catch {
      input = text
    }
    const result = parseDefinition(input, { now })
    if (result.ok) {
      // What was taken is stored, read back and shown.
      const stored: unknown = JSON.parse(JSON.stringify(definitionToStored(result.definition)))
      expect(parseDefinition(stored, { now })).toEqual(result)
      const shown = JSON.stringify(definitionToWire(result.definition))
      expect(() => secretValuesOf(result.definition)).not.toThrow()
      expect(shown).not.toContain('undefined')
      return
    }
    expect(result.problems.length).toBeGreaterThan(0)
    const names = isObject(input) ? [...fields, ...Object.keys(input)] : []
    for (const { field, reason } of result.problems) {
      if (field === '') expect(isObject(input)).toBe(false)
      else
        expect(
          names.some(
            (name) =>
              field.startsWith(name.slice(0, 80)) || field.startsWith(JSON.stringify(name.slice(0, 80))),
          ),
        ).toBe(true)
      expect(reason).not.toBe('')
      expect(reason).not.toContain(canary)
    }
  },
})

/** One secret for each place, so that each is known again wherever it turns up. */
const secret = (place: string) => `s3Cr3t${place}q7Zk2Wm9Xt4Rv8Np`
const stdio = definitionOf({
  name: 'a',
  transport: 'stdio',
  command: `run --token=${secret('Command')}`,
  args: [
    '--token',
    secret('Flag'),
    `--api-key=${secret('Key')}`,
    'plain',
    `https://u:${secret('ArgPass')}@h/x?k=${secret('ArgQuery')}`,
  ],
  env: { API_KEY: secret('Env'), OTHER: secret('Env2') },
  headers: { 'X-A': secret('StdioHeader') },
  authTokens: [secret('Auth'), secret('Auth2')],
})
const http = definitionOf({
  name: 'a',
  transport: 'streamable-http',
  url: `https://user:${secret('Pass')}@h.example:8443/v1/${secret('Path')}/x?key=${secret('Query')}&key=${secret('Query2')}&plain=#${secret('Fragment')}`,
  headers: { Authorization: `Bearer ${secret('Header')}`, 'X-B': secret('Header2') },
  env: { API_KEY: secret('HttpEnv') },
  args: ['--token', secret('HttpArg')],
  authTokens: [secret('Auth')],
})
const stored: readonly ServerDefinition[] = [stdio, http]
const placed = /s3Cr3t([A-Za-z0-9]+?)q7Zk2Wm9Xt4Rv8Np/g

/** What an attacker may change: any value of what GET showed, or the text of it. */
const shown = fc.constantFrom(...stored.map((definition) => JSON.stringify(definitionToWire(definition))))
const strange = fc.oneof(
  fc.constantFrom<unknown>(
    '***',
    'stdio',
    'sse',
    'streamable-http',
    'curl',
    ['***'],
    ['--token', '***', '--token', '***'],
    ['***', '***'],
    { API_KEY: '***', OTHER: '***' },
    { API_KEY: '***', OTHER: '***', HTTPS_PROXY: 'http://evil.example' },
    { authorization: '***', 'x-b': '***' },
    { Authorization: '***', 'x-a': '***', 'X-A': '***' },
    'https://evil.example/v1/***/x?key=***',
    'https://user:***@evil.example:8443/v1/***/x?key=***&key=***&plain=#***',
    'https://user:***@h.example:8443/***/***/***?key=***&other=***#***',
    'https://user:***@h.example:8443@evil.example/v1/***/x?key=***',
    'https://user:***@h.example:8443\\@evil.example/v1/***/x',
    'http://user:***@h.example:8443/v1/***/x',
  ),
  shown,
)
const attack = fc
  .tuple(
    shown,
    fc.dictionary(
      fc.constantFrom(
        'transport',
        'url',
        'headers',
        'command',
        'args',
        'env',
        'authTokens',
        'description',
        'tags',
        'name',
        'cwd',
        'toolFilter',
        'forwardHeaders',
      ),
      strange,
      { maxKeys: 3 },
    ),
  )
  .map(([text, changes]) => JSON.stringify({ ...JSON.parse(text), ...changes }))
const attackTokens = [
  '***',
  '"',
  ',',
  '@',
  '/',
  '?',
  '#',
  ':',
  '\\\\',
  'evil.example',
  '@evil.example',
  '"args":["***"],',
  '"env":{"A":"***"},',
  '"headers":{"A":"***"},',
  'key=***',
  '&key=***',
  '"transport":"sse",',
  '"__proto__":{"url":"***"},',
]

fuzz('a secret that is sent back as a mask stays where it was stored, or goes nowhere', {
  inputs: fc.oneof(attack, mutated(attack, attackTokens)),
  cases: cases.masks,
  runs: 2_000,
  holds: (text) => {
    let input: unknown
    try {
      input = JSON.parse(text)
    } catch {
      return
    }
    for (const definition of stored) {
      const merged = mergeMasked(input, definition)
      if (!isObject(merged)) continue
      holdsForMerged(merged, definition)
      const result = parseDefinition(merged, { now, previous: definition, allowCwd: true })
      if (!result.ok) for (const { reason } of result.problems) expect(reason).not.toMatch(placed)
      else
        expect(JSON.stringify(definitionToWire(result.definition)).replaceAll(placed, '!')).not.toContain('!')
    }
  },
})

function holdsForMerged(merged: Readonly<Record<string, unknown>>, definition: ServerDefinition): void {
  const origin = (url: unknown) => (typeof url === 'string' ? (URL.parse(url)?.origin ?? '') : '')
  const sameServer =
    merged['transport'] === definition.transport && origin(merged['url']) === origin(definition.url)
  const same = (one: unknown, other: unknown) => Bun.deepEquals(one, other, true)
  const env = isObject(merged['env']) ? Object.entries(merged['env']).sort() : []
  const sameProcess =
    merged['transport'] === definition.transport &&
    (merged['command'] ?? '') === definition.command &&
    same(merged['args'] ?? [], definition.args) &&
    same(env, Object.entries(definition.env).sort())
  for (const [field, value] of Object.entries(merged)) {
    const found = [...(JSON.stringify(value) ?? '').matchAll(placed)].map(([text]) => text)
    const own = JSON.stringify(definition[field as keyof ServerDefinition] ?? '')
    // From the same field, and to the same receiver.
    for (const one of found) expect(own).toContain(one)
    if (found.length === 0) continue
    expect(['url', 'headers', 'command', 'args', 'env', 'authTokens']).toContain(field)
    if (['url', 'headers'].includes(field)) expect(sameServer).toBe(true)
    if (['command', 'args', 'env'].includes(field)) expect(sameProcess).toBe(true)
    if (field === 'headers' && isObject(value)) {
      for (const [name, header] of Object.entries(value)) {
        const was = Object.entries(definition.headers).find(
          ([other]) => other.toLowerCase() === name.toLowerCase(),
        )
        if (String(header).includes('s3Cr3t')) expect(header).toBe(was?.[1])
      }
    }
  }
}

const maskable = fc.array(
  fc.oneof(
    fc.constantFrom(
      '--token',
      '--header',
      '-H',
      '-e',
      '--env',
      'Bearer ',
      'password=',
      '://',
      'https://',
      '@',
      ':',
      '"',
      "'",
      ' ',
      '=',
      '-----BEGIN',
      '\\',
      '%',
      ';',
      '{',
      ',',
    ),
    fc.string({ maxLength: 6 }),
    fc
      .constantFrom('a', '=', '-', '_', '.', ' ', '"')
      .chain((character) => fc.integer({ min: 1, max: 3_000 }).map((length) => character.repeat(length))),
  ),
  { maxLength: 10 },
)

fuzz('masks are set whatever the text, and a masked text stays the same', {
  inputs: maskable.map((parts) => parts.join('')),
  cases: cases.maskedTexts,
  runs: 1_500,
  holds: (text) => {
    const once = maskText(text)
    expect(once.length).toBeLessThanOrEqual(text.length * 3 + 3)
    maskUrl(text)
    expect(maskArgs(['--token', text])[1]).toMatch(
      /^(?:\*\*\*|(?:(?:Bearer|Basic|Token)\s+)?(?:\$\{\w+\}[:@/._-]?)+|)$/i,
    )
  },
})
