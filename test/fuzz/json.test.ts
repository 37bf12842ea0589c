/** What is found in JSON text without parsing it is what JSON.parse finds, and edits keep everything else. */
import { expect } from 'bun:test'
import fc from 'fast-check'
import { isObject } from '../../src/protocol/json.ts'
import {
  hasParam,
  idTextOf,
  type MessageText,
  memberSpan,
  onOneLine,
  paramString,
  progressTokenSpan,
  repeatsParam,
  scanMessage,
  withId,
} from '../../src/protocol/jsonrpc.ts'
import { largeAnswer, replaceBytes, requestIdOfAnswer, textOf } from '../../src/protocol/large-answer.ts'
import { errorCodeOf, integerAt, isUnnamed } from '../../src/protocol/response.ts'
import {
  editObject,
  elementsOf,
  hasDoubled,
  membersOf,
  memberText,
  nestsTooDeep,
} from '../../src/protocol/spans.ts'
import { cases } from './cases.ts'
import { expectSame, fuzz } from './fuzzer.ts'
import { chunkings, mutated } from './inputs.ts'

type Value = Readonly<Record<string, unknown>>

/** The value; undefined where the text is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

interface Part {
  /** Of a member of an object. */
  readonly key: string
  readonly start: number
  readonly end: number
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs

/** The members or elements of what valid JSON text is, found by its tokens. */
function partsOf(text: string): Part[] {
  const parts: Part[] = []
  let [depth, start, key] = [0, -1, '']
  let before = ''
  let end = 0
  for (const { 0: word, index } of text.matchAll(token)) {
    const closes = word === '}' || word === ']'
    if (depth === 1 && (word === ',' || closes) && start >= 0) {
      parts.push({ key, start, end })
      start = -1
    } else if (depth === 1 && word === ':' && text[text.search(/\S/)] === '{') {
      key = String(JSON.parse(before))
      start = -1
    } else if (depth === 1 && start < 0 && !closes) start = index
    if (word === '{' || word === '[') depth++
    if (closes) depth--
    before = word
    end = index + word.length
  }
  return parts
}

/** Whether readers may differ in which member is meant by a name: it stands there twice, or in other letters. */
function isAmbiguous(keys: readonly string[], name: string): boolean {
  const folded = (text: string): string => text.toUpperCase().toLowerCase()
  const other = (key: string): boolean =>
    key !== name && key.length === name.length && folded(key) === folded(name)
  return keys.some(other) || keys.filter((key) => key === name).length > 1
}

/** The one member of this name; null when there is none, or one that is ambiguous. */
function only(text: string, name: string): string | null {
  const parts = isObject(parsed(text)) ? partsOf(text) : []
  const part = parts.find(({ key }) => key === name)
  const keys = parts.map(({ key }) => key)
  return part === undefined || isAmbiguous(keys, name) ? null : text.slice(part.start, part.end)
}

/** Without the members that are null and mean nothing; null when it is no message. */
function messageOf(value: Value): Value | null {
  const message: Record<string, unknown> = { ...value }
  const has = (key: string): boolean => Object.hasOwn(message, key)
  if (message['method'] === null) delete message['method']
  if (message['id'] === null && has('method') && String(message['method']).startsWith('notifications/'))
    delete message['id']
  const both = has('result') && has('error')
  if (both && message['error'] === null) delete message['error']
  else if (both && message['result'] === null) delete message['result']
  if (has('method') && typeof message['method'] !== 'string') return null
  if (!has('method') && !(has('id') ? has('result') || has('error') : isObject(message['error']))) return null
  const named = ['string', 'number'].includes(typeof message['id'])
  return !has('id') || named || (message['id'] === null && !has('method')) ? message : null
}

function holdsForMessage(text: string, value: Value): void {
  const keys = partsOf(text).map(({ key }) => key)
  const doubled = ['id', 'method', 'params', 'result', 'error'].some((name) => isAmbiguous(keys, name))
  const expected = doubled ? null : messageOf(value)
  const message = scanMessage(text)
  expect(message === null).toBe(expected === null)
  if (message === null || expected === null) return
  expectSame(parsed(message.text), expected)
  const { method, id } = expected
  expect(message.method).toBe(typeof method === 'string' ? method : null)
  const kind =
    typeof method === 'string' ? (Object.hasOwn(expected, 'id') ? 'request' : 'notification') : 'response'
  expect(message.kind).toBe(kind)
  expect(message.failed).toBe(Object.hasOwn(expected, 'error'))
  const { start, end } = { start: message.resultStart, end: message.resultEnd }
  const said = start < 0 ? [] : partsOf(message.text.slice(start, end)).map(({ key }) => key)
  const once = ['isError', 'resultType'].every((name) => !isAmbiguous(said, name))
  const result = once && isObject(expected['result']) ? expected['result'] : {}
  expect(message.toolError).toBe(result['isError'] === true)
  expect(message.asksForInput).toBe(result['resultType'] === 'input_required')
  expect(isUnnamed(message)).toBe(id === null || id === undefined)
  expectSame(parsed(idTextOf(message)), id)
  expectSame(parsed(message.text.slice(message.paramsStart, message.paramsEnd)), expected['params'])
  expectSame(parsed(message.text.slice(message.resultStart, message.resultEnd)), expected['result'])
  expectSame(
    parsed(withId(message, '"other"')),
    Object.hasOwn(expected, 'id') ? { ...expected, id: 'other' } : { id: 'other', ...expected },
  )
  expect(withId(message, idTextOf(message) || '1').length - message.text.length).toBe(
    Object.hasOwn(expected, 'id') ? 0 : 7,
  )
  expect(onOneLine(text)).not.toMatch(/[\r\n]/)
  expectSame(parsed(onOneLine(text)), value)
  holdsForMembers(message)
}

function holdsForMembers(message: MessageText): void {
  const params = message.text.slice(message.paramsStart, message.paramsEnd)
  const at = ({ start, end }: { start: number; end: number }): string => message.text.slice(start, end)
  const span = progressTokenSpan(message)
  expect(span && at(span)).toBe(only(only(params, '_meta') ?? '', 'progressToken'))
  for (const key of ['name', '_meta', 'id', 'vendor/key']) {
    const text = only(params, key)
    const found = memberSpan(message.text, message.paramsStart, key)
    expect(found && at(found)).toBe(text)
    expect(hasParam(message, key)).toBe(text !== null)
    const value = parsed(text ?? 'null')
    expect(paramString(message, key)).toBe(typeof value === 'string' ? value : null)
  }
  if (!isObject(parsed(params))) return
  const names = partsOf(params).map(({ key }) => key)
  expect(repeatsParam(message, ['name', '_meta'])).toBe(
    ['name', '_meta'].some((name) => isAmbiguous(names, name)),
  )
  const code = only(only(message.text, 'error') ?? '', 'code')
  if (code === null || typeof parsed(code) === 'number')
    expectSame(errorCodeOf(message), parsed(code ?? 'null'))
}

function holdsForObject(text: string, value: Value): void {
  const parts = partsOf(text)
  expectSame(
    membersOf(text)?.map(({ key, valueStart, valueEnd }) => ({ key, start: valueStart, end: valueEnd })),
    parts,
  )
  const names = parts.map(({ key }) => key)
  expect(hasDoubled(text, names)).toBe(new Set(names).size < names.length)
  for (const name of ['id', 'name']) expect(hasDoubled(text, [name])).toBe(isAmbiguous(names, name))
  const textOfMember = (key: string): string | null => {
    const part = parts.findLast((other) => other.key === key)
    return part === undefined ? null : text.slice(part.start, part.end)
  }
  for (const key of [...names, 'absent']) {
    expect(memberText(text, key)).toBe(textOfMember(key))
    const edited = editObject(text, {
      set: { [key]: '[7]', added: '8' },
      drop: (name) => name === 'id' && name !== key,
    })
    const kept = Object.entries(value).filter(([name]) => name !== 'id' || name === key)
    expectSame(parsed(edited ?? ''), Object.fromEntries([...kept, [key, [7]], ['added', 8]]))
    // One that stood twice is one, or two readers could see different values.
    expect(partsOf(edited ?? '').filter((part) => part.key === key).length).toBe(1)
    for (const [name] of kept) {
      if (name !== key && name !== 'added') expect(memberText(edited ?? '', name)).toBe(textOfMember(name))
    }
  }
}

function holdsForText(text: string): void {
  const value = parsed(text)
  const members = membersOf(text)
  const elements = elementsOf(text)
  const deep = nestsTooDeep(text)
  const message = scanMessage(text)
  requestIdOfAnswer(text.slice(0, 200), text.slice(-200))
  editObject(text, { set: { id: '1' }, drop: (key) => key === 'a' })
  if (message !== null) {
    for (const place of [message.idEnd, message.paramsEnd, message.resultEnd]) {
      expect(place).toBeLessThanOrEqual(message.text.length)
    }
  }
  if (value === undefined) return
  expect(members === null).toBe(!isObject(value))
  expect(elements === null).toBe(!Array.isArray(value))
  if (elements !== null)
    expectSame(
      elements,
      partsOf(text).map(({ start, end }) => text.slice(start, end)),
    )
  let [depth, deepest] = [0, 0]
  for (const { 0: word } of text.matchAll(token)) {
    depth += word === '{' || word === '[' ? 1 : word === '}' || word === ']' ? -1 : 0
    deepest = Math.max(deepest, depth)
  }
  expect(deep).toBe(deepest > 256)
  if (!isObject(value)) {
    expect(message).toBeNull()
    return
  }
  holdsForMessage(text, value)
  holdsForObject(text, value)
}

const space = fc.constantFrom('', '', '', ' ', '\n ', '\t', '\r\n')
const key = fc
  .tuple(
    fc.constantFrom(
      'jsonrpc',
      'id',
      'id',
      'method',
      'method',
      'params',
      'params',
      'result',
      'error',
      'isError',
      'resultType',
      '_meta',
      '_meta',
      'progressToken',
      'name',
      'code',
      'vendor/key',
      '__proto__',
      '',
      'x"\\',
      'ü€',
    ),
    fc.nat(3),
  )
  .map(([name, spelling]) => spelled(name, spelling))

function spelled(text: string, spelling: number): string {
  const quoted = JSON.stringify(text)
  if (spelling > 1) return quoted
  if (spelling === 1) return quoted.replaceAll('/', '\\/')
  return `"${[...text].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
}

const scalar = fc.oneof(
  fc.constantFrom(
    'null',
    'null',
    'true',
    '0',
    '7',
    '-1',
    '1.0',
    '1e0',
    '1.10',
    '12345678901234567890',
    '""',
    '"input_required"',
  ),
  fc
    .tuple(
      fc.constantFrom(
        'notifications/initialized',
        'tools/call',
        '2.0',
        '"}',
        '\\',
        'a,b',
        '{',
        'null',
        'ü€😀',
        '\n',
      ),
      fc.integer({ min: 1, max: 3 }),
    )
    .map(([text, spelling]) => spelled(text, spelling)),
)
const { json } = fc.letrec<{ json: string; object: string; array: string }>((tie) => ({
  json: fc.oneof({ maxDepth: 3 }, scalar, tie('object'), tie('object'), tie('array')),
  object: fc
    .array(fc.tuple(space, key, space, space, tie('json'), space), { maxLength: 6 })
    .map(
      (members) =>
        `{${members.map(([a, name, b, c, value, d]) => `${a}${name}${b}:${c}${value}${d}`).join(',')}}`,
    ),
  array: fc
    .array(fc.tuple(space, tie('json'), space), { maxLength: 4 })
    .map((elements) => `[${elements.map((parts) => parts.join('')).join(',')}]`),
}))
const deepText = fc
  .tuple(fc.integer({ min: 250, max: 260 }), json)
  .map(([depth, inner]) => '[{"a":'.repeat(depth / 2) + inner + '}]'.repeat(depth / 2))
const memberOf = (name: string, value: fc.Arbitrary<string>) =>
  fc
    .tuple(fc.nat(3), space, value)
    .map(([spelling, gap, text]) => `${spelled(name, spelling)}${gap}:${gap}${text}`)
const message = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 1 }).chain((order) => {
  const members = [
    memberOf('jsonrpc', fc.constant('"2.0"')),
    memberOf('id', fc.oneof(scalar, fc.constant('5'))),
    memberOf('method', scalar),
    memberOf('params', json),
    memberOf('result', json),
    memberOf('error', fc.oneof(json, fc.constant('{"code":-32000,"message":"x"}'))),
  ]
  return fc
    .tuple(...order.map((at) => members[at] ?? fc.constant('"a":1')), space)
    .map((parts) => `{${parts.slice(0, -1).join(',')}${parts.at(-1)}}`)
})
const tokens = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  '\\',
  'null',
  ' ',
  '\n',
  '"id":1',
  ',"id":7}',
  '"error":null,',
  '\\u0069d',
  '\u2028',
  '\ufeff',
  '1',
]

fuzz('JSON text says what JSON.parse says, and edits keep everything else', {
  inputs: fc.oneof(
    { arbitrary: mutated(fc.oneof(message, json), tokens), weight: 5 },
    { arbitrary: message, weight: 4 },
    { arbitrary: deepText, weight: 1 },
  ),
  cases: cases.json,
  runs: 1_500,
  holds: holdsForText,
})

const answer = fc
  .tuple(
    fc.constantFrom('5', '0', '5.0', '"5"', '5e0', '"x"', '-1', '5.5', 'null', '12345678901234567890'),
    fc.oneof(
      json,
      fc.integer({ min: 0, max: 600 }).map((length) => `"${'x'.repeat(length)}"`),
    ),
    fc.constantFrom('result', 'result', 'result', 'error', 'method'),
    fc.constantFrom('', '', '', ',"error":null', ',"_meta":{"id":9}', ',"x,\\"id":8', ',"method":null'),
    fc.constantFrom('', ' ', '\n'),
    fc.boolean(),
  )
  .map(([id, body, name, more, gap, first]) =>
    first
      ? `{${gap}"jsonrpc":${gap}"2.0",${gap}"id":${id}${gap},"${name}":${body}${more}${gap}}${gap}`
      : `{${gap}"${name}":${body}${more},"jsonrpc":"2.0",${gap}"id"${gap}:${id}${gap}}${gap}`,
  )

fuzz('a large answer is taken for what it is, and gets another id and nothing else', {
  inputs: fc.record({
    bytes: fc.oneof(answer, mutated(answer, tokens)).map((text) => Buffer.from(text).toString('latin1')),
    at: fc.array(fc.nat(2_000), { maxLength: 5 }),
  }),
  cases: cases.largeAnswers,
  runs: 400,
  holds: (input) => {
    const text = Buffer.from(input.bytes, 'latin1').toString('utf8')
    const value = parsed(text)
    const keys = isObject(value) ? partsOf(text).map(({ key: name }) => name) : []
    let first: string | null = null
    for (const pieces of chunkings(input)) {
      const found = largeAnswer(pieces)
      const told = found === null ? 'usual' : `${found.id} at ${found.idStart}`
      first ??= told
      expect(told).toBe(first)
      if (found === null || !isObject(value) || new Set(keys).size < keys.length) continue
      expect(Number(value['id'])).toBe(found.id)
      // A small one loses what is null and means nothing; this one must have nothing to lose.
      const ambiguous = ['id', 'method', 'params', 'result', 'error'].some((name) => isAmbiguous(keys, name))
      if ((value['error'] ?? null) === null && !ambiguous) expect(scanMessage(text)?.text).toBe(text)
      const replaced = textOf(replaceBytes(pieces, found.idStart, found.idEnd, '"other"'))
      expectSame(parsed(replaced), { ...value, id: 'other' })
    }
    const plain =
      isObject(value) &&
      JSON.stringify(value) === text &&
      Number.isSafeInteger(value['id']) &&
      Number(value['id']) >= 0
    if (plain && ['jsonrpc,id,result', 'result,jsonrpc,id'].includes(keys.join()))
      expect(first).not.toBe('usual')
  },
})

fuzz('a number is read as the one that it spells, or not at all', {
  inputs: fc.stringMatching(/^"?[-+]?[0-9]{0,17}(?:\.[0-9]{0,3})?(?:[eE][+-]?[0-9]{0,2})?"?x?$/),
  cases: cases.numbers,
  runs: 5_000,
  holds: (text) => {
    const found = integerAt(`[${text}]`, 1, 1 + text.length)
    if (found >= 0)
      expect(Number(String(parsed(/^0\d/.test(text) ? `"${text}"` : text) ?? text).replaceAll('"', ''))).toBe(
        found,
      )
    if (/^(?:0|[1-9][0-9]{0,14})$/.test(text)) expect(found).toBe(Number(text))
  },
})
