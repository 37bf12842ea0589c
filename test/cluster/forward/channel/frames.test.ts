import { describe, expect, test } from 'bun:test'
import {
  type Frame,
  frameText,
  pieceBytes,
  readFrames,
  readPiece,
} from '../../../../src/cluster/forward/wire/channel/frames.ts'

const frames: readonly Frame[] = [
  { kind: 'R', id: 1, value: 0, head: 'code{"a":1}', body: '{"text":"R2 0 1 1\\nxy"}' },
  { kind: 'A', id: 281_474_976_710_655, value: 200, head: '{}', body: 'two\nlines, 😀 and ü' },
  { kind: 'C', id: 2, value: 0, head: '', body: '' },
  { kind: 'W', id: 3, value: 32_768, head: '', body: '' },
]

describe('frames of a channel', () => {
  test('are read as they were written, many in one text, whatever stands in them', () => {
    const text = frames
      .map(({ kind, id, value, head, body }) => frameText(kind, id, value, head, body))
      .join('')
    expect(readFrames(text)).toEqual([...frames])
    expect(readFrames(Buffer.from(text).toString())).toEqual([...frames])
  })

  test.each([
    { why: 'no first line', text: 'R1 0 0 0' },
    { why: 'an unknown kind', text: 'Z1 0 0 0\n' },
    { why: 'a number too few', text: 'R1 0 0\n' },
    { why: 'a negative length', text: 'R1 0 -1 2\nab' },
    { why: 'a length beyond the end', text: 'R1 0 0 5\nabcd' },
    { why: 'a number that no number holds', text: `R${'9'.repeat(16)} 0 0 0\n` },
    { why: 'a good frame and noise behind it', text: 'C1 0 0 0\nnoise' },
  ])('are none with $why', ({ text }) => {
    expect(readFrames(text)).toBeNull()
  })

  test('have pieces as bytes, with the number of their request', () => {
    const bytes = pieceBytes(281_474_976_710_655, new Uint8Array([0, 255, 10]))
    expect(readPiece(Buffer.from(bytes))).toEqual({
      id: 281_474_976_710_655,
      piece: Buffer.from([0, 255, 10]),
    })
    expect(readPiece(Buffer.from([1, 2, 3]))).toBeNull()
  })
})
