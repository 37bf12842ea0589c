/**
 * The body of an answer that its server has compressed although that was declined, as some frameworks and reverse
 * proxies do.
 *
 * Nothing is decoded, nor judged, until somebody reads the body. The attack: a few kilobytes that unfold into
 * gigabytes. What comes out is handed on piece by piece and counted by whoever reads it, and no more is decoded than
 * is asked for.
 */
import { pipeline, Readable, type Transform } from 'node:stream'
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib'
import { GatewayError } from '../../../../../errors.ts'
import type { MessagePieces } from '../../../../../protocol/large-answer.ts'
import { type AnswerRoom, ArrivingBytes, answererOf, type HttpAnswer } from './answer.ts'

/** Makes a decoder for a body that begins with this byte. */
type MakeDecoder = (firstByte: number) => Transform

/** Null for codings that are registered and that nobody here can decode (RFC 9110, 8.4.1). */
const codings: ReadonlyMap<string, MakeDecoder | null> = new Map<string, MakeDecoder | null>([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  ['br', () => createBrotliDecompress()],
  ['zstd', () => createZstdDecompress()],
  // Half of all servers leave out the header of zlib that the name stands for.
  ['deflate', (firstByte) => ((firstByte & 0x0f) === 8 ? createInflate() : createInflateRaw())],
  ['compress', null],
  ['x-compress', null],
  ['exi', null],
  ['pack200-gzip', null],
  ['aes128gcm', null],
  ['dcb', null],
  ['dcz', null],
])
/** Nobody compresses more often; each costs memory. */
const codingsMax = 2

/** The answer itself where `encoding`, its `content-encoding`, names no coding: `utf-8`, `identity`, nothing. */
export function decodedAnswer(answer: HttpAnswer, encoding: string): HttpAnswer {
  const names = encoding.toLowerCase().split(',')
  const applied = names.map((name) => name.trim()).filter((name) => codings.has(name))
  return applied.length === 0 ? answer : new DecodedAnswer(answer, applied)
}

class DecodedAnswer implements HttpAnswer {
  readonly #answer: HttpAnswer
  /** In the order in which they were applied. */
  readonly #codings: readonly string[]
  #body: AsyncIterator<Uint8Array> | null = null
  #readBytesMax = Number.POSITIVE_INFINITY

  constructor(answer: HttpAnswer, codings: readonly string[]) {
    this.#answer = answer
    this.#codings = codings
  }

  get status(): number {
    return this.#answer.status
  }

  get url(): URL {
    return this.#answer.url
  }

  get proxy(): string | null {
    return this.#answer.proxy ?? null
  }

  get mediaType(): string {
    return this.#answer.mediaType
  }

  header(name: string): string | null {
    return this.#answer.header(name)
  }

  async pieces(
    bytesMax: number,
    room: AnswerRoom | null = null,
    requestId = 0,
  ): Promise<MessagePieces | null> {
    // There are bodies that go on for ever and unfold into nothing.
    this.#readBytesMax = bytesMax
    const held = new ArrivingBytes(room, requestId)
    try {
      return await held.collect(this, bytesMax)
    } catch (thrown) {
      this.discard()
      throw thrown
    } finally {
      held.close()
    }
  }

  async next(): Promise<Uint8Array | null> {
    this.#body ??= this.#decoded()
    try {
      const { value, done } = await this.#body.next()
      return done === true ? null : value
    } catch (thrown) {
      this.#answer.discard()
      throw thrown instanceof GatewayError ? thrown : this.#undecodable('that cannot be decoded')
    }
  }

  discard(): void {
    this.#answer.discard()
    // Rejects when it has failed by itself.
    this.#body?.return?.().catch(() => {})
  }

  #decoded(): AsyncGenerator<Uint8Array> {
    let body = this.#encoded()
    if (this.#codings.length > codingsMax) throw this.#undecodable('more often than anybody decodes')
    for (const coding of this.#codings.toReversed()) {
      const make = codings.get(coding) ?? null
      if (make === null) throw this.#undecodable('which this gateway cannot decode')
      body = decode(body, make)
    }
    return body
  }

  async *#encoded(): AsyncGenerator<Uint8Array> {
    let bytes = 0
    for (let piece = await this.#answer.next(); piece !== null; piece = await this.#answer.next()) {
      bytes += piece.length
      if (bytes > this.#readBytesMax) throw this.#undecodable(`and larger than ${this.#readBytesMax} bytes`)
      yield piece
    }
  }

  #undecodable(why: string): GatewayError {
    const details = `${answererOf(this.#answer)} compressed its answer (${this.#codings.join(', ')}) although that was declined, ${why}.`
    return new GatewayError('UPSTREAM_ERROR', details)
  }
}

/** Decodes no more than is asked for. An empty body stays empty. */
async function* decode(body: AsyncGenerator<Uint8Array>, make: MakeDecoder): AsyncGenerator<Uint8Array> {
  const first = await body.next()
  if (first.done === true) return
  const decoder = make(first.value[0] ?? 0)
  // What goes wrong on either side is thrown by the loop below.
  pipeline(Readable.from(withFirst(first.value, body), { highWaterMark: 1 }), decoder, () => {})
  for await (const piece of decoder as AsyncIterable<Uint8Array>) yield piece
}

async function* withFirst(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first
  yield* rest
}
