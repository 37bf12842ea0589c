import { describe, expect, test } from 'bun:test'
import {
  looksLikeObject,
  messagesIn,
  requestIdOfAnswer,
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
    { why: 'nothing when it is a list of something else', text: '[1,2]', messages: null },
    { why: 'nothing when it begins like a log line', text: '[info] {"a":1}', messages: null },
  ]
  for (const { why, text, messages } of rows) {
    test(why, () => {
      expect(messagesIn(text)).toEqual(messages)
    })
  }
})

describe('of an oversized answer the id is', () => {
  const rows: { why: string; head: string; tail: string; id: number | null }[] = [
    { why: 'read from its start', head: '{"jsonrpc":"2.0","id":7,"result":{"x', tail: 'xx"}}', id: 7 },
    { why: 'read from its end', head: '{"result":{"x', tail: 'x"},"jsonrpc":"2.0","id":8}', id: 8 },
    { why: 'read with spaces', head: '{ "jsonrpc": "2.0", "id": 9, "error": {', tail: '}}', id: 9 },
    {
      why: 'unknown for a request of the server, which counts its own ids',
      head: '{"method":"sampling/createMessage","params":{',
      tail: '},"jsonrpc":"2.0","id":7}',
      id: null,
    },
    {
      why: 'unknown for a request that names its id first',
      head: '{"jsonrpc":"2.0","id":7,"method":"m","params":{',
      tail: '}}',
      id: null,
    },
    {
      why: 'unknown when the end is inside the result',
      head: '{"result":{"x',
      tail: '"id":7},"more":1}',
      id: null,
    },
    {
      why: 'unknown when it is no integer of ours',
      head: '{"jsonrpc":"2.0","id":"a","result":{',
      tail: '}}',
      id: null,
    },
  ]
  for (const { why, head, tail, id } of rows) {
    test(why, () => {
      expect(requestIdOfAnswer(head, tail)).toBe(id)
    })
  }
})
