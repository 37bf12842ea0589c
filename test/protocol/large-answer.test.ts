import { describe, expect, test } from 'bun:test'
import { scanMessage } from '../../src/protocol/jsonrpc.ts'
import {
  kindOfLarge,
  largeAnswer,
  type MessagePieces,
  replaceBytes,
  requestIdOfAnswer,
  textOf,
} from '../../src/protocol/large-answer.ts'
import { kindOfAnswer } from '../../src/protocol/response.ts'

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
      why: 'read as the number it means',
      head: '{"result":{"x',
      tail: 'x"},"jsonrpc":"2.0","id":8e0}',
      id: 8,
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

const filler = 'ü'.repeat(1000)

/** The bytes of a text, cut into pieces of this size, through characters as well. */
function cut(text: string, pieceBytes: number): MessagePieces {
  const bytes = Buffer.from(text)
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes))
  return pieces
}

describe('a large answer is recognised in its bytes', () => {
  const rows: { why: string; text: string; id: number | null }[] = [
    { why: 'the id is first', text: `{"jsonrpc":"2.0","id":7,"result":"${filler}"}`, id: 7 },
    { why: 'the id is last', text: `{"result":"${filler}","jsonrpc":"2.0","id":12}`, id: 12 },
    { why: 'spaces between', text: `{ "jsonrpc": "2.0", "id": 7, "result": "${filler}" } `, id: 7 },
    { why: 'errors are looked into', text: `{"jsonrpc":"2.0","id":7,"error":"${filler}"}`, id: null },
    { why: 'a request', text: `{"jsonrpc":"2.0","id":7,"method":"${filler}"}`, id: null },
    { why: 'not closed', text: `{"jsonrpc":"2.0","id":7,"result":"${filler}"`, id: null },
    { why: 'an id at both ends', text: `{"jsonrpc":"2.0","id":7,"result":"${filler}","id":8}`, id: null },
    { why: 'a key that ends like it', text: `{"result":"${filler}","x,\\"id":8}`, id: null },
    { why: 'an id in the result', text: `{"result":{"a":"${filler}","id":8}}`, id: null },
    { why: 'an id in the middle', text: `{"result":"${filler}","id":8,"more":"${filler}"}`, id: null },
    { why: 'an id of nobody here', text: `{"jsonrpc":"2.0","id":"7a","result":"${filler}"}`, id: null },
    { why: 'an id that came back as a text', text: `{"jsonrpc":"2.0","id":"7","result":"${filler}"}`, id: 7 },
    { why: 'an id that came back as 7.0', text: `{"result":"${filler}","jsonrpc":"2.0","id":7.0}`, id: 7 },
    {
      why: 'a null error behind the result, which is taken out of the text',
      text: `{"jsonrpc":"2.0","id":7,"result":"${filler}","error":null}`,
      id: null,
    },
    {
      why: 'a null error before the id',
      text: `{"result":"${filler}","error": null ,"method":null,"id":7}`,
      id: null,
    },
    {
      why: 'a number that is no whole one',
      text: `{"jsonrpc":"2.0","id":7.5,"result":"${filler}"}`,
      id: null,
    },
  ]
  test.each(rows)('$why: $id', ({ text, id }) => {
    for (const pieceBytes of [1, 3, 257, 100_000]) {
      expect(largeAnswer(cut(text, pieceBytes))?.id ?? null).toBe(id)
    }
  })

  test('whatever the pieces, the id alone is replaced', () => {
    for (const { text, id } of rows) {
      for (const pieceBytes of [1, 7, 100_000]) {
        const pieces = cut(text, pieceBytes)
        const answer = largeAnswer(pieces)
        if (answer === null) continue
        const replaced = textOf(replaceBytes(pieces, answer.idStart, answer.idEnd, '"ä-1"'))
        expect(replaced).toBe(
          text.replace(new RegExp(`("id": ?)("?${id}(\\.0)?"?)`), (_, key) => `${key}"ä-1"`),
        )
      }
    }
  })
})

describe('what a large answer makes of its request is read from its bytes', () => {
  const filling = 'x'.repeat(70_000)
  const content = `"content":[{"type":"text","text":"\\"isError\\":true ${filling}"}]`
  const inner = `"structuredContent":{"isError":true,"resultType":"input_required","filling":"${filling}"}`
  const results = [
    { result: `{${content}}`, kind: 'ok', why: 'nothing is said' },
    { result: `{${content},"isError":false}`, kind: 'ok', why: 'no error, at its end' },
    { result: `{${content},"isError":true}`, kind: 'tool_error', why: 'an error, at its end' },
    { result: `{"isError":true,${content}}`, kind: 'tool_error', why: 'at its beginning' },
    { result: `{${content},"isError":true,${inner}}`, kind: 'tool_error', why: 'in its middle' },
    { result: `{${content},"isError": true,${inner}}`, kind: 'tool_error', why: 'with a space' },
    { result: `{${inner},${content}}`, kind: 'ok', why: 'what the tool itself says means nothing' },
    { result: `{"resultType":"input_required",${content}}`, kind: 'input_required', why: 'a question' },
    { result: `{${content},"resultType":"input_required"}`, kind: 'input_required', why: 'a question' },
  ]
  test.each(results)('$kind: $why', ({ result, kind }) => {
    for (const text of [
      `{"jsonrpc":"2.0","id":7,"result":${result}}`,
      `{"result":${result},"jsonrpc":"2.0","id":7}`,
      `{"result":${result},"id":7.0,"jsonrpc":"2.0"}`,
    ]) {
      const bytes = new TextEncoder().encode(text)
      const message = scanMessage(text)
      expect(message && kindOfAnswer('tools/call', message, true)).toBe(kind as 'ok')
      // Cut within the words that matter, too.
      const at = text.indexOf('isError":true') + 3
      for (const cut of [0, at, at + 5, 65_536]) {
        const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)]
        expect(kindOfLarge('tools/call', pieces, true)).toBe(kind as 'ok')
        expect(kindOfLarge('resources/read', pieces, false)).toBe('ok')
      }
      const many = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, n) =>
        bytes.subarray(n * 7, n * 7 + 7),
      )
      expect(kindOfLarge('tools/call', many, true)).toBe(kind as 'ok')
    }
  })

  test('of a very large one by its words alone', () => {
    const more = `"filling":"${'x'.repeat(2 ** 20)}"`
    for (const [result, kind] of [
      [`{"isError":true,${more},"x":1}`, 'tool_error'],
      [`{"resultType":"input_required",${more},"x":1}`, 'input_required'],
      [`{"isError":false,${more},"x":1}`, 'ok'],
    ] as const) {
      const bytes = new TextEncoder().encode(`{"jsonrpc":"2.0","id":7,"result":${result}}`)
      expect(kindOfLarge('tools/call', [bytes], true)).toBe(kind)
    }
  })
})
