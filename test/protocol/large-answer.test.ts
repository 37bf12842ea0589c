import { describe, expect, test } from 'bun:test'
import {
  largeAnswer,
  type MessagePieces,
  replaceBytes,
  requestIdOfAnswer,
  textOf,
} from '../../src/protocol/large-answer.ts'

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
