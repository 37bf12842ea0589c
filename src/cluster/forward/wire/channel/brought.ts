/**
 * What a front says on a channel. A code stands over all that it sends in one write, with a line that says from whom it
 * is, for whom, and when; each request in it comes with who asks. That is the same for all requests that a client
 * makes in a row, so that it is read once for all of them.
 */
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { readTarget, type Target } from '../../../../http/hooks/target.ts'
import { jsonIn } from '../../../../protocol/json.ts'
import type { InstanceId } from '../../../directory/directory.ts'
import type { Codes } from '../../session-ids.ts'
import { type Carried, isSigned, refusalOf, wirePrincipal } from '../forwarded-header.ts'

const address = Type.Union([Type.String(), Type.Null()])
const common = Type.Object({
  principal: wirePrincipal,
  peer: address,
  client: address,
  base: Type.String(),
  /** Path and query. */
  target: Type.String(),
  /** A name, its value, the next name. */
  headers: Type.Array(Type.String()),
})

/** What a request has in common with others of its client. */
export type Common = Static<typeof common>

/** The common part as it was read; one for many requests, to be read alone. */
export interface ReadCommon extends Pick<Common, 'principal' | 'peer' | 'client' | 'base'> {
  readonly url: string
  readonly target: Target
  readonly headers: Headers
}

/** From whom a message is, for whom, and when. */
export type MessageLine = Pick<Carried, 'from' | 'to' | 'atMs' | 'serial'>

/** A code has as many characters. */
const codeChars = 43

/** Frames as one message. */
export function writeMessage({ from, to, atMs, serial }: MessageLine, frames: string, codes: Codes): string {
  const said = `${from} ${to} ${atMs} ${serial}\n${frames}`
  return `${codes(signedText(said))[0] ?? ''}${said}`
}

/** What the code of a header stands over begins in another way. */
function signedText(said: string): string {
  return `channel\n${said}`
}

const lineForm = /^(\S{1,64}) (\S{1,64}) (\d{1,15}) ([1-9]\d{0,14})$/
const lineCharsMax = 200

/** A message as it was read; `refusal` says in a few words why the requests in it count for nothing. */
export interface ReadMessage {
  readonly from: InstanceId
  readonly serial: number
  readonly frames: string
  readonly refusal: string | null
}

/** Null for what is none. */
export function readMessage(text: string, self: InstanceId, nowMs: number, codes: Codes): ReadMessage | null {
  const end = text.indexOf('\n')
  if (end < 0 || end > lineCharsMax) return null
  const [, from, to = '', atMs, serial] = lineForm.exec(text.slice(codeChars, end)) ?? []
  if (from === undefined) return null
  const refusal = isSigned(text.slice(0, codeChars), codes(signedText(text.slice(codeChars))))
    ? refusalOf({ to, atMs: Number(atMs) }, self, nowMs)
    : 'its code is wrong'
  return { from, serial: Number(serial), frames: text.slice(end + 1), refusal }
}

/** What stands before the path of a request that came on no address of its own. */
const origin = 'http://gateway'

/** What a request comes with. */
export function writeBrought(requestId: string, shared: Common): string {
  return `${requestId}\n${JSON.stringify(shared)}`
}

/** The same as it was read. */
export interface Brought {
  readonly requestId: string
  readonly common: ReadCommon
}

/** Of common parts that were read, so many are kept, and no longer ones. */
const keptMax = 2_048
const keptCharsMax = 2_048

export class BroughtReader {
  readonly #kept = new Map<string, ReadCommon>()

  /** Null where it cannot be, or is for no endpoint. */
  read(head: string): Brought | null {
    const end = head.indexOf('\n')
    const read = end < 0 ? null : this.#common(head.slice(end + 1))
    return read && { requestId: head.slice(0, end), common: read }
  }

  #common(text: string): ReadCommon | null {
    const kept = this.#kept.get(text)
    if (kept !== undefined) return kept
    const read = readCommon(text)
    if (read === null || text.length > keptCharsMax) return read
    if (this.#kept.size >= keptMax)
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest)
        break
      }
    this.#kept.set(text, read)
    return read
  }
}

function readCommon(text: string): ReadCommon | null {
  const value = jsonIn(text)
  if (!Value.Check(common, value)) return null
  const url = origin + value.target
  const target = readTarget(url)
  if (target?.area !== 'mcp') return null
  const headers = headersOf(value.headers)
  if (headers === null) return null
  const { principal, peer, client, base } = value
  return { principal, peer, client, base, url, target, headers }
}

/** Null where one of them is none that a request can have. */
function headersOf(texts: readonly string[]): Headers | null {
  const headers = new Headers()
  try {
    for (let at = 0; at + 1 < texts.length; at += 2) headers.append(texts[at] ?? '', texts[at + 1] ?? '')
    return headers
  } catch {
    return null
  }
}
