import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  idTextOf,
  memberSpan,
  onOneLine,
  paramString,
  progressTokenSpan,
  replaceSpan,
  scanMessage,
  skipValue,
  withId,
} from '../../src/protocol/jsonrpc.ts'

describe('scanMessage', () => {
  const cases: { text: string; kind: string | null; why: string }[] = [
    { text: '{"jsonrpc":"2.0","id":1,"method":"a"}', kind: 'request', why: 'id and method' },
    { text: '{"jsonrpc":"2.0","id":"1","method":"a"}', kind: 'request', why: 'ids may be strings' },
    { text: '{"jsonrpc":"2.0","id":-1.5,"method":"a"}', kind: 'request', why: 'ids may be any number' },
    { text: ' { "method" : "a" } ', kind: 'notification', why: 'white space between tokens' },
    { text: '{"i\\u0064":1,"method":"a"}', kind: 'request', why: 'an escaped key is the same key' },
    { text: '{"result":{},"id":1}', kind: 'response', why: 'members in any order' },
    { text: '{"error":{"code":1},"id":null}', kind: 'response', why: 'an error may have no id to name' },
    { text: '{"error":{"code":1}}', kind: 'response', why: 'or leave it out' },
    { text: '{"error":"unauthorized"}', kind: null, why: 'an error page in JSON is no JSON-RPC error' },
    { text: '{"result":{}}', kind: null, why: 'a result without id is for nobody' },
    { text: '{"id":1,"method":null,"result":{}}', kind: 'response', why: 'a null method is none' },
    { text: '{"id":1,"method":null}', kind: null, why: 'nor does it make a message' },
    { text: '{"id":null,"method":"a"}', kind: null, why: 'a request must not have a null id' },
    {
      text: '{"id":null,"method":"notifications/a"}',
      kind: 'notification',
      why: 'but a notification has none',
    },
    {
      text: '{"id":null,"method":"notifications\\/a"}',
      kind: 'notification',
      why: 'also where the serializer escapes slashes',
    },
    { text: '{"id":{},"method":"a"}', kind: null, why: 'an id is no object' },
    { text: '{"id":true,"method":"a"}', kind: null, why: 'an id is no boolean' },
    { text: '{"id":1}', kind: null, why: 'neither method nor result' },
    { text: '{"method":1}', kind: null, why: 'a method is a string' },
    { text: '{"id":1,"id":2,"method":"a"}', kind: null, why: 'two ids mean different things to two parsers' },
    {
      text: '{"id":1,"method":"a","i\\u0064":2}',
      kind: null,
      why: 'nor may the second be hidden by an escape',
    },
    {
      text: '{"method":"a","method":"b"}',
      kind: null,
      why: 'two methods would pass one check and run the other',
    },
    { text: '{"method":"a"', kind: null, why: 'cut short' },
    { text: '{"method":"a"}x', kind: null, why: 'something behind it' },
    { text: '{"method":"a"}{"method":"b"}', kind: null, why: 'two messages' },
    { text: '[{"method":"a"}]', kind: null, why: 'a batch is not one message' },
    { text: '', kind: null, why: 'nothing' },
    {
      text: '{"id":1,"method":"ping","Method":"tools/call"}',
      kind: null,
      why: 'a second method in other letters, which some readers take for it',
    },
    { text: '{"id":1,"method":"a","PARAM\\u0053":{}}', kind: null, why: 'params in other letters, escaped' },
    { text: '{"id":1,"method":"a","methods":1,"Meta":2}', kind: 'request', why: 'members that are others' },
    { text: 'Listening on port 3000', kind: null, why: 'what servers print on stdout by mistake' },
    {
      text: '{"method":"a","params":{"x":"\\\\"}}',
      kind: 'notification',
      why: 'an escaped backslash ends no string',
    },
    {
      text: '{"method":"a","params":{"x":"\\""}}',
      kind: 'notification',
      why: 'an escaped quote ends no string',
    },
  ]
  for (const { text, kind, why } of cases)
    test(`${kind ?? 'refuses'}: ${why}`, () =>
      expect(scanMessage(text)?.kind ?? null).toBe(kind as 'request' | null))

  const voids: { text: string; left: string; failed: boolean; why: string }[] = [
    {
      text: '{"id":1,"error":null,"result":{"a":1}}',
      left: '{"id":1,"result":{"a":1}}',
      failed: false,
      why: 'a null error beside a result',
    },
    {
      text: '{ "result" : {} , "id" : 1.0 , "\\u0065rror" : null }',
      left: '{ "result" : {} , "id" : 1.0 }',
      failed: false,
      why: 'the last member, its key escaped',
    },
    {
      text: '{"result":null,"error":{"code":1},"id":1}',
      left: '{"error":{"code":1},"id":1}',
      failed: true,
      why: 'a null result beside an error',
    },
    {
      text: '{"method":null,"id":1,"result":null,"error":null}',
      left: '{"id":1,"result":null}',
      failed: false,
      why: 'all of them, and the result stays',
    },
    {
      text: '{"id":1,"result":null}',
      left: '{"id":1,"result":null}',
      failed: false,
      why: 'a null result is one',
    },
    {
      text: '{"id":1,"error":null}',
      left: '{"id":1,"error":null}',
      failed: true,
      why: 'the only thing that is said',
    },
  ]
  test.each(voids)('leaves out what is null where another member says what it is: $why', (row) => {
    const scanned = scanMessage(row.text)
    expect(scanned).toMatchObject({ text: row.left, failed: row.failed, kind: 'response' })
    if (scanned !== null) expect(JSON.parse(withId(scanned, '7'))).toMatchObject({ id: 7 })
  })

  test('agrees with JSON.parse on every message that JSON.stringify can write', () => {
    const message = fc.record(
      {
        jsonrpc: fc.constant('2.0'),
        id: fc.oneof(fc.integer(), fc.string()),
        method: fc.string(),
        params: fc.dictionary(fc.string(), fc.jsonValue()),
      },
      { requiredKeys: ['method'] },
    )
    fc.assert(
      fc.property(message, fc.constantFrom(undefined, 1, 2), (value, indent) => {
        const scanned = scanMessage(JSON.stringify(value, null, indent))
        expect(scanned?.method).toBe(value.method)
        expect(scanned && idTextOf(scanned)).toBe(value.id === undefined ? '' : JSON.stringify(value.id))
      }),
    )
  })

  test('never throws and never reads past the end, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', 'a', '1', ' ') }),
        (text) => {
          scanMessage(text)
          expect(skipValue(text, 0)).toBeLessThanOrEqual(text.length)
        },
      ),
    )
  })
})

describe('splicing', () => {
  const scan = (text: string) => {
    const message = scanMessage(text)
    if (!message) throw new Error('no message')
    return message
  }

  test('changes the id and no other byte', () => {
    const text = '{"result":{"n":12345678901234567890,"f":1.10},"jsonrpc":"2.0","id":7}'
    expect(withId(scan(text), '"abc"')).toBe(
      '{"result":{"n":12345678901234567890,"f":1.10},"jsonrpc":"2.0","id":"abc"}',
    )
  })

  test('finds the progress token, also behind arguments that hold one of their own', () => {
    const text =
      '{"id":1,"method":"a","params":{"arguments":{"_meta":{"progressToken":9}},"_meta":{"k":1,"progressToken":"t"}}}'
    const span = progressTokenSpan(scan(text))
    expect(span && text.slice(span.start, span.end)).toBe('"t"')
    expect(span && replaceSpan(text, span, '5')).toContain('"_meta":{"k":1,"progressToken":5}')
  })

  test('finds a member of an object that stands anywhere, and none that is not there', () => {
    const text = '{"a":{"b":{"c":[1,2]}}}'
    const a = memberSpan(text, 0, 'a')
    const b = a && memberSpan(text, a.start, 'b')
    const c = b && memberSpan(text, b.start, 'c')
    expect(c && text.slice(c.start, c.end)).toBe('[1,2]')
    expect(memberSpan(text, 0, 'z')).toBeNull()
  })

  test('takes time in proportion to the text, however many members there are', () => {
    const members = Array.from({ length: 100_000 }, (_, n) => `"member${n}":1`).join(',')
    // Quadratic time would exceed the test's own time-out many times over.
    expect(scanMessage(`{"id":1,"method":"a",${members}}`)?.kind).toBe('request')
  })

  test('reads a string parameter with its escapes', () => {
    expect(paramString(scan('{"method":"a","params":{"uri":"f\\u00e9"}}'), 'uri')).toBe('fé')
    expect(paramString(scan('{"method":"a","params":{"uri":5}}'), 'uri')).toBeNull()
  })

  test('puts a message that was printed over several lines on one', () => {
    const value = { method: 'a', params: { text: 'line\nbreak' } }
    const line = onOneLine(JSON.stringify(value, null, 2).replaceAll('\n', '\r\n'))
    expect(line).not.toMatch(/[\r\n]/)
    expect(JSON.parse(line)).toEqual(value)
  })
})
