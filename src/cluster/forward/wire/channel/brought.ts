/**
 * What a request on a channel comes with: a line of its own, and behind it what is the same for all requests that a
 * client makes in a row, so that it is read once for all of them. A code stands over both and over the message.
 */
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { readTarget, type Target } from '../../../../http/hooks/target.ts'
import type { InstanceId } from '../../../directory/directory.ts'
import type { Codes } from '../../session-ids.ts'
import { type Carried, isSigned, parsed, refusalOf, wirePrincipal } from '../forwarded-header.ts'

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

/** The part of it that no other request has. */
export type Alone = Pick<Carried, 'from' | 'to' | 'atMs' | 'serial' | 'requestId'>

/** The common part as it was read; one for many requests, to be read alone. */
export interface ReadCommon extends Pick<Common, 'principal' | 'peer' | 'client' | 'base'> {
  readonly url: string
  readonly target: Target
  readonly headers: Headers
}

export interface Brought extends Pick<Alone, 'from' | 'serial' | 'requestId'> {
  readonly common: ReadCommon
}

/** A code has as many characters. */
const codeChars = 43

/** What stands before the path of a request that came on no address of its own. */
const origin = 'http://gateway'

/** What a request on a channel comes with, behind its code. */
export function writeBrought(alone: Alone, shared: Common, body: string, codes: Codes): string {
  const { from, to, atMs, serial, requestId } = alone
  const said = `${from} ${to} ${atMs} ${serial} ${requestId}\n${JSON.stringify(shared)}`
  return `${codes(signedText(said, body))[0] ?? ''}${said}`
}

/** Neither part has a line break, and what the code of a header stands over begins in another way. */
function signedText(said: string, body: string): string {
  return `channel\n${said}\n${body}`
}

const aloneForm = /^(\S+) (\S+) (\d{1,15}) ([1-9]\d{0,14}) (.*)$/

/** Of common parts that were read, so many are kept, and no longer ones. */
const keptMax = 2_048
const keptCharsMax = 2_048

export class BroughtReader {
  readonly #self: InstanceId
  readonly #codes: Codes
  readonly #kept = new Map<string, ReadCommon>()

  constructor(self: InstanceId, codes: Codes) {
    this.#self = self
    this.#codes = codes
  }

  /** What a request comes with, or in a few words why it counts for nothing. */
  read(head: string, body: string, nowMs: number): Brought | string {
    const said = head.slice(codeChars)
    if (!isSigned(head.slice(0, codeChars), this.#codes(signedText(said, body)))) return 'its code is wrong'
    const end = said.indexOf('\n')
    const [, from = '', to = '', atMs, serial, requestId = ''] = aloneForm.exec(said.slice(0, end)) ?? []
    if (from === '') return 'it is of another form'
    const refusal = refusalOf({ to, atMs: Number(atMs) }, this.#self, nowMs)
    if (refusal !== null) return refusal
    const read = this.#common(said.slice(end + 1))
    return typeof read === 'string' ? read : { from, serial: Number(serial), requestId, common: read }
  }

  #common(text: string): ReadCommon | string {
    const kept = this.#kept.get(text)
    if (kept !== undefined) return kept
    const read = readCommon(text)
    if (typeof read === 'string' || text.length > keptCharsMax) return read
    if (this.#kept.size >= keptMax)
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest)
        break
      }
    this.#kept.set(text, read)
    return read
  }
}

function readCommon(text: string): ReadCommon | string {
  const value = parsed(text)
  if (!Value.Check(common, value)) return 'it is of another form'
  const url = origin + value.target
  const target = readTarget(url)
  if (target?.area !== 'mcp') return 'it is for no endpoint'
  const headers = new Headers()
  for (let at = 0; at + 1 < value.headers.length; at += 2)
    headers.append(value.headers[at] ?? '', value.headers[at + 1] ?? '')
  const { principal, peer, client, base } = value
  return { principal, peer, client, base, url, target, headers }
}
