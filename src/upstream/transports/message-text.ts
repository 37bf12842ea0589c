/**
 * The little that a transport must know about the text that it carries, found without parsing it.
 *
 * Pure. A full parse belongs to the connection; here it would only be done twice.
 */

import { batchMessagesMax, skipSpace, skipValue } from '../../protocol/jsonrpc.ts'
import type { MessagePieces } from '../../protocol/large-answer.ts'

const objectStart = /^\s*\{\s*["}]/
const arrayStart = /^\s*\[\s*\{/

/**
 * True when a line can only be meant as a JSON object. `{ port: 3000 }`, which a server prints when it
 * logs an object to stdout, is not one.
 */
export function looksLikeObject(text: string): boolean {
  if (text.startsWith('{"') && text.endsWith('}')) return true
  return objectStart.test(text) && text.trimEnd().endsWith('}')
}

/** True when a text of which the end is missing can only be meant as a JSON object. */
export function beginsObject(head: string): boolean {
  return objectStart.test(head)
}

/**
 * The messages of a text: one object, or the elements of a batch (2025-03-26 lets a server send several
 * responses and notifications in one array), cut out so that digits stay as they came. null when it is neither,
 * and for more than `batchMessagesMax`: a batch of millions would take gigabytes before the first was looked at.
 */
export function messagesIn(text: string): string[] | null {
  if (looksLikeObject(text)) return [text]
  if (!arrayStart.test(text)) return null
  const batch = new Objects(text, text.indexOf('[') + 1, comma)
  const messages = [...batch]
  if (!batch.ended || text[batch.at] !== ']') return null
  return skipSpace(text, batch.at + 1) === text.length && messages.every(looksLikeObject) ? messages : null
}

/**
 * The objects of a text that is nothing but objects, one behind the other as some servers write them; none when
 * it is something else, or there are more than `batchMessagesMax`.
 */
export function objectsIn(text: string): string[] {
  const objects = new Objects(text, 0, '')
  const all = [...objects]
  return objects.ended && objects.at === text.length ? all : []
}

/** How much of a large message is looked at before it is decoded. */
const headBytes = 64 * 1024

/** True for a batch that has more messages than one may have, as far as its beginning shows. */
export function isOverfullBatch(pieces: MessagePieces): boolean {
  let head = ''
  for (const piece of pieces) {
    if (head.length >= headBytes) break
    // One character a byte: what stands outside of strings is ASCII.
    head += Buffer.from(piece.buffer, piece.byteOffset, Math.min(piece.length, headBytes)).toString('latin1')
  }
  if (!arrayStart.test(head)) return false
  const batch = new Objects(head, head.indexOf('[') + 1, comma)
  for (const _ of batch);
  return !batch.ended && batch.count === batchMessagesMax
}

const comma = ','

/** Goes over objects that follow each other, `batchMessagesMax` of them at most. */
class Objects {
  readonly #text: string
  readonly #separator: string
  /** Where the next one would stand. */
  at: number
  count = 0
  /** True once something came that is no further object. */
  ended = false

  constructor(text: string, from: number, separator: string) {
    this.#text = text
    this.#separator = separator
    this.at = skipSpace(text, from)
  }

  *[Symbol.iterator](): Iterator<string> {
    const text = this.#text
    while (!this.ended) {
      const end = text[this.at] === '{' ? skipValue(text, this.at) : -1
      if (end < 0) {
        this.ended = true
        return
      }
      if (this.count === batchMessagesMax) return
      this.count++
      yield text.slice(this.at, end)
      this.at = skipSpace(text, end)
      if (this.#separator === '') continue
      if (text[this.at] === this.#separator) this.at = skipSpace(text, this.at + 1)
      else this.ended = true
    }
  }
}
