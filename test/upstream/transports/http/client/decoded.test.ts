/** Bodies that a server has compressed although that was declined. */
import { describe, expect, test } from 'bun:test'
import {
  brotliCompressSync,
  createGzip,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib'
import type { HttpAnswer } from '../../../../../src/upstream/transports/http/client/answer/answer.ts'
import { decodedAnswer } from '../../../../../src/upstream/transports/http/client/answer/decoded.ts'
import { poll } from '../../../../support/gateway.ts'

const text = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { words: 'ä→😀'.repeat(100) } })
const plain = Buffer.from(text)

interface Source extends HttpAnswer {
  read: number
  discarded: boolean
}

/** An answer whose body comes in these pieces; null for ever-lasting ones. */
function answerOf(pieces: Iterable<Uint8Array>): Source {
  const iterator = pieces[Symbol.iterator]()
  return {
    status: 200,
    url: new URL('http://server.example/mcp'),
    read: 0,
    discarded: false,
    mediaType: 'application/json',
    header: () => null,
    pieces: () => null,
    next() {
      const { value, done } = iterator.next()
      if (done === true) return null
      this.read += value.length
      return value
    },
    discard() {
      this.discarded = true
    },
  }
}

async function bodyOf(answer: HttpAnswer, bytesMax = 1 << 20): Promise<string | null> {
  const pieces = await answer.pieces(bytesMax)
  return pieces === null ? null : Buffer.concat(pieces).toString('utf8')
}

function* forEver(piece: Uint8Array): Generator<Uint8Array> {
  for (;;) yield piece
}

function halves(bytes: Uint8Array): Uint8Array[] {
  const middle = bytes.length >> 1
  return [bytes.subarray(0, middle), bytes.subarray(middle)]
}

describe('a body', () => {
  test.each([
    { encoding: 'gzip', bytes: gzipSync(plain), why: 'gzip' },
    { encoding: 'GZIP', bytes: gzipSync(plain), why: 'in capitals' },
    { encoding: 'x-gzip', bytes: gzipSync(plain), why: 'by its old name' },
    { encoding: 'br', bytes: brotliCompressSync(plain), why: 'brotli' },
    { encoding: 'zstd', bytes: zstdCompressSync(plain), why: 'zstd' },
    { encoding: 'deflate', bytes: deflateSync(plain), why: 'deflate' },
    { encoding: 'deflate', bytes: deflateRawSync(plain), why: 'deflate without its header' },
    { encoding: 'br, gzip', bytes: gzipSync(brotliCompressSync(plain)), why: 'twice' },
    { encoding: 'gzip, identity', bytes: gzipSync(plain), why: 'beside nothing' },
    { encoding: 'gzip', bytes: Buffer.concat([gzipSync(''), gzipSync(plain)]), why: 'in two members' },
  ])('is decoded: $encoding ($why)', async ({ encoding, bytes }) => {
    for (const pieces of [[bytes], halves(bytes), [...bytes].map((byte) => Uint8Array.of(byte))])
      expect(await bodyOf(decodedAnswer(answerOf(pieces), encoding))).toBe(text)
  })

  test.each(['', 'identity', 'utf-8', 'UTF-8', 'none', 'identity, utf-8', 'application/json'])(
    'is left as it is where "%s" names no coding',
    (encoding) => {
      const answer = answerOf([plain])
      expect(decodedAnswer(answer, encoding)).toBe(answer)
    },
  )

  test.each(['gzip', 'br', 'deflate'])(
    'without a byte is empty, whatever it is called: %s',
    async (encoding) => {
      expect(await bodyOf(decodedAnswer(answerOf([]), encoding))).toBe('')
    },
  )

  test('that nobody reads is not judged', () => {
    const answer = answerOf([Buffer.from('no gzip')])
    decodedAnswer(answer, 'compress').discard()
    expect([answer.read, answer.discarded]).toEqual([0, true])
  })

  test.each([
    { encoding: 'gzip', pieces: [plain], said: '(gzip) although that was declined, that cannot be decoded' },
    { encoding: 'gzip', pieces: [gzipSync(plain).subarray(0, -9)], said: 'that cannot be decoded' },
    { encoding: 'br', pieces: [Buffer.from('no brotli')], said: 'that cannot be decoded' },
    {
      encoding: 'compress',
      pieces: [plain],
      said: '(compress) although that was declined, which this gateway',
    },
    { encoding: 'gzip,gzip,gzip', pieces: [plain], said: 'more often than anybody decodes' },
  ])('fails with a reason that names the coding: $encoding', async ({ encoding, pieces, said }) => {
    const thrown = await bodyOf(decodedAnswer(answerOf(pieces), encoding)).then(String, (error) => error)
    expect(thrown.code).toBe('UPSTREAM_ERROR')
    expect(thrown.details).toContain(said)
    expect(thrown.details).toStartWith('server.example compressed its answer ')
  })
})

describe('a bomb', () => {
  test('is dropped once what came out of it passes the bound', async () => {
    const bomb = gzipSync(Buffer.alloc(256 << 20))
    const before = process.memoryUsage.rss()
    const answer = answerOf([bomb])
    expect(await bodyOf(decodedAnswer(answer, 'gzip'), 1 << 20)).toBe(null)
    expect(answer.discarded).toBe(true)
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 << 20)
  })

  test('within a bomb is no larger', async () => {
    const bomb = gzipSync(gzipSync(Buffer.alloc(256 << 20)))
    expect(await bodyOf(decodedAnswer(answerOf([bomb]), 'gzip, gzip'), 1 << 20)).toBe(null)
  })

  test('that unfolds into nothing, and goes on for ever, is dropped as well', async () => {
    const answer = answerOf(forEver(gzipSync('')))
    await expect(bodyOf(decodedAnswer(answer, 'gzip'), 4_096)).rejects.toMatchObject({
      code: 'UPSTREAM_ERROR',
    })
    expect(answer.read).toBeLessThan(64 * 1024)
  })

  test('on a stream is decoded no faster than it is read', async () => {
    const bomb = gzipSync(Buffer.alloc(256 << 20))
    const pieces = Array.from({ length: 64 }, (_, at) => {
      const size = Math.ceil(bomb.length / 64)
      return bomb.subarray(at * size, (at + 1) * size)
    })
    const answer = answerOf(pieces)
    const stream = decodedAnswer(answer, 'gzip')
    const first = await stream.next()
    expect(first?.length).toBeLessThanOrEqual(64 * 1024)
    await Bun.sleep(50)
    expect(answer.read).toBeLessThan(bomb.length / 2)
    stream.discard()
  })
})

test('what a server flushes into a compressed stream is there before the next thing comes', async () => {
  const gzip = createGzip()
  const sent: Uint8Array[] = []
  gzip.on('data', (piece: Uint8Array) => sent.push(piece))
  async function* arriving(): AsyncGenerator<Uint8Array> {
    for (const word of ['one', 'two', 'three']) {
      gzip.write(word)
      gzip.flush()
      await poll('the flush', async () => sent.length > 0)
      yield* sent.splice(0)
    }
    await new Promise(() => {})
  }
  const pieces = arriving()
  const answer = { ...answerOf([]), next: async () => (await pieces.next()).value ?? null }
  const stream = decodedAnswer(answer, 'gzip')
  let heard = ''
  while (heard.length < 'onetwothree'.length)
    heard += Buffer.from((await stream.next()) ?? []).toString('utf8')
  expect(heard).toBe('onetwothree')
})
