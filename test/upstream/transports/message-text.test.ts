import { describe, expect, test } from 'bun:test'
import {
  isOverfullBatch,
  looksLikeObject,
  messagesIn,
  objectsIn,
} from '../../../src/upstream/transports/message-text.ts'

describe('a line on stdout is taken for a message', () => {
  const rows: { why: string; text: string; taken: boolean }[] = [
    { why: 'a message', text: '{"jsonrpc":"2.0"}', taken: true },
    { why: 'a message with space around and inside', text: ' { "jsonrpc": "2.0" } ', taken: true },
    { why: 'an empty object', text: '{}', taken: true },
    { why: 'an object that was logged', text: "{ port: 3000, host: 'x' }", taken: false },
    { why: 'a log line that begins with a brace', text: '{"a":1} is what I got', taken: false },
    { why: 'a sentence', text: 'Server listening on stdio', taken: false },
    { why: 'a number', text: '42', taken: false },
    { why: 'nothing', text: '', taken: false },
  ]
  for (const { why, text, taken } of rows) {
    test(`${taken ? '' : 'not '}when it is ${why}`, () => {
      expect(looksLikeObject(text)).toBe(taken)
    })
  }
})

describe('a text holds', () => {
  const rows: { why: string; text: string; messages: string[] | null }[] = [
    { why: 'one message as it is', text: '{"id":1}', messages: ['{"id":1}'] },
    {
      why: 'the elements of a batch, cut out',
      text: '[{"n":1.10}, {"s":"]},{[\\""} ]',
      messages: ['{"n":1.10}', '{"s":"]},{[\\""}'],
    },
    {
      why: 'nested brackets whole',
      text: '[{"a":[{"b":[]}]},{"c":{}}]',
      messages: ['{"a":[{"b":[]}]}', '{"c":{}}'],
    },
    { why: 'nothing when the batch is broken', text: '[{"a":1},{"b":]', messages: null },
    {
      why: 'a hundred messages of a batch',
      text: `[${'{},'.repeat(99)}{}]`,
      messages: Array<string>(100).fill('{}'),
    },
    { why: 'nothing when a batch has one more', text: `[${'{},'.repeat(100)}{}]`, messages: null },
    { why: 'nothing when objects were logged in a list', text: '[{ port: 3000 }]', messages: null },
    { why: 'nothing when something follows the batch', text: '[{"a":1}] {}', messages: null },
    { why: 'nothing when it is a list of something else', text: '[1,2]', messages: null },
    { why: 'nothing when it begins like a log line', text: '[info] {"a":1}', messages: null },
  ]
  for (const { why, text, messages } of rows) {
    test(why, () => {
      expect(messagesIn(text)).toEqual(messages)
    })
  }
})

describe('objects one behind the other', () => {
  const rows: { why: string; text: string; objects: string[] }[] = [
    { why: 'two on one line', text: '{"a":"}{"}{"b":1}', objects: ['{"a":"}{"}', '{"b":1}'] },
    { why: 'with space around', text: ' {"a":1}  {"b":1} ', objects: ['{"a":1}', '{"b":1}'] },
    { why: 'one', text: '{"a":1}', objects: ['{"a":1}'] },
    { why: 'something else behind them', text: '{"a":1}{"b":1} // done', objects: [] },
    { why: 'something else between them', text: '{"a":1},{"b":1}', objects: [] },
    { why: 'the last one cut short', text: '{"a":1}{"b":', objects: [] },
    { why: 'nothing', text: '', objects: [] },
    { why: 'a flood of them', text: '{}'.repeat(100_000), objects: [] },
  ]
  test.each(rows)('are taken apart, and nothing else is: $why', ({ text, objects }) => {
    expect(objectsIn(text)).toEqual(objects)
  })
})

test('more than a hundred objects on one line are none', () => {
  expect(objectsIn('{}'.repeat(100)).length).toBe(100)
  expect(objectsIn('{}'.repeat(101))).toEqual([])
})

describe('a large batch is refused by its beginning', () => {
  const filler = `{"a":"${'x'.repeat(100_000)}"}`
  const rows: { why: string; text: string; refused: boolean }[] = [
    { why: 'when it shows more than a hundred', text: `[${'{},'.repeat(1_000)}{}]`, refused: true },
    { why: 'and not when it has a hundred', text: `[${'{},'.repeat(99)}{}]`, refused: false },
    { why: 'and not when its beginning is one message', text: `[${filler},{}]`, refused: false },
    { why: 'and not when it is no batch', text: filler, refused: false },
  ]
  for (const { why, text, refused } of rows) {
    test(why, () => {
      const bytes = Buffer.from(text)
      expect(isOverfullBatch([bytes.subarray(0, 7), bytes.subarray(7)])).toBe(refused)
    })
  }
})
