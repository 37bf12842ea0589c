/**
 * The header by which one member of a cluster tells another whose request it brings. The receiver does not ask for a
 * token again, so that nobody else can write one: a code stands over all that it says and over the request with it, it
 * is for one receiver, for a minute, and counts once.
 *
 * Pure: who signs, and what time it is, is given.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { InstanceId } from '../../directory/directory.ts'
import type { Codes } from '../session-ids.ts'

/** Its name. What a client sends under it is not read, and goes nowhere. */
export const forwardedHeader = 'compozy-forwarded'
/** Names the owner in an answer 421. */
export const ownerHeader = 'compozy-owner'
/** Marks an answer 403 of a member, which no server behind it has given. */
export const refusedHeader = 'compozy-refused'

const text = Type.String({ maxLength: 4_096 })
const claims = Type.Record(Type.String(), Type.Array(Type.String()))

/** Who asks, as the member that has let them in knows them. */
const wirePrincipal = Type.Object({
  id: text,
  shown: text,
  role: Type.Union([Type.Literal('anonymous'), Type.Literal('client')]),
  /** A person of an authorization server: what its token said, and until when. */
  person: Type.Optional(
    Type.Object({
      issuer: text,
      subject: text,
      claims,
      /** Wall clock; null for never. */
      expiresAtMs: Type.Union([Type.Number(), Type.Null()]),
    }),
  ),
})
export type WirePrincipal = Static<typeof wirePrincipal>

const borne = {
  from: text,
  to: text,
  /** Wall clock of the directory. */
  atMs: Type.Number(),
  /** Counts up with each header of its sender. */
  serial: Type.Integer({ minimum: 1 }),
  /** Who asks; null where the receiver is to find that out itself, as for a request of a client's. */
  principal: Type.Union([wirePrincipal, Type.Null()]),
  /** The address that the request came from, and that of its client; null where there is none. */
  peer: Type.Union([text, Type.Null()]),
  client: Type.Union([text, Type.Null()]),
  /** The gateway's URL as the client sees it. */
  base: text,
  requestId: text,
}

const carried = Type.Object({
  ...borne,
  /** Of the body; null for none. So the code can be looked at before a byte of the body is read. */
  digest: Type.Union([text, Type.Null()]),
})

/** What a forwarded request comes with. */
export type Carried = Static<typeof carried>

const brought = Type.Object({
  ...borne,
  /** Path and query. */
  target: Type.String(),
  headers: Type.Record(Type.String(), Type.String()),
})

/** The same of a request on a channel, whose code stands over its message and all of its headers. */
export type Brought = Static<typeof brought>

/** The part of a request that the code stands over beside the header itself. */
export interface SignedRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly sessionId: string | null
}

/** What stands for a body in the header of its request. */
export function digestOfBody(body: string | null): string | null {
  return body === null ? null : createHash('sha256').update(body).digest('base64url')
}

/** A header older than this counts no more, and neither does one from so far in the future. */
export const headerLivesMs = 60_000

/** A larger one is none: nobody has so much to say of themselves. */
const headerCharsMax = 64 * 1024

export function writeHeader(carries: Carried, request: SignedRequest, codes: Codes): string {
  const said = Buffer.from(JSON.stringify(carries)).toString('base64url')
  return `${said}.${codes(signedText(said, request))[0] ?? ''}`
}

/** What a header says, or in a few words why it counts for nothing. */
export function readHeader(
  header: string | null,
  request: SignedRequest,
  self: InstanceId,
  nowMs: number,
  codes: Codes,
): Carried | string {
  if (header === null) return 'there is none'
  if (header.length > headerCharsMax) return 'it is too long'
  const at = header.indexOf('.')
  if (at < 0) return 'it has no code'
  const said = header.slice(0, at)
  if (!isSigned(header.slice(at + 1), codes(signedText(said, request)))) return 'its code is wrong'
  const value = parsed(Buffer.from(said, 'base64url').toString())
  if (!Value.Check(carried, value)) return 'it is of another form'
  return refusalOf(value, self, nowMs) ?? value
}

/** Undefined, which is of no form, for what cannot be read. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refusalOf({ to, atMs }: Carried | Brought, self: InstanceId, nowMs: number): string | null {
  if (to !== self) return 'it is for another member'
  return Math.abs(nowMs - atMs) > headerLivesMs ? 'it is too old' : null
}

/** A code has as many characters. */
const codeChars = 43

/** What a request on a channel comes with, behind its code. */
export function writeBrought(brings: Brought, body: string, codes: Codes): string {
  const said = JSON.stringify(brings)
  return `${codes(broughtText(said, body))[0] ?? ''}${said}`
}

/** What it says, or in a few words why it counts for nothing. */
export function readBrought(
  head: string,
  body: string,
  self: InstanceId,
  nowMs: number,
  codes: Codes,
): Brought | string {
  const said = head.slice(codeChars)
  if (!isSigned(head.slice(0, codeChars), codes(broughtText(said, body)))) return 'its code is wrong'
  const value = parsed(said)
  if (!Value.Check(brought, value)) return 'it is of another form'
  return refusalOf(value, self, nowMs) ?? value
}

/** Two readings have no text in common, and none with that of a header: JSON has no line breaks, that begins another way. */
function broughtText(said: string, body: string): string {
  return `channel\n${said}\n${body}`
}

function isSigned(given: string, codes: readonly string[]): boolean {
  const bytes = Buffer.from(given)
  let signed = false
  for (const code of codes) {
    const expected = Buffer.from(code)
    if (expected.length > 0 && expected.length === bytes.length && timingSafeEqual(expected, bytes))
      signed = true
  }
  return signed
}

function signedText(said: string, { method, target, sessionId }: SignedRequest): string {
  return JSON.stringify([said, method, target, sessionId])
}
