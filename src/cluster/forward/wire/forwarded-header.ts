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
import { jsonIn } from '../../../protocol/json.ts'
import type { InstanceId } from '../../directory/directory.ts'
import { saidWire, wireOf, wireVersion } from '../../wire-version.ts'
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
export const wirePrincipal = Type.Object({
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

const carried = Type.Object({
  /** A channel says it once, when it is opened. */
  wire: saidWire,
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
  /** Of the body; null for none. So the code can be looked at before a byte of the body is read. */
  digest: Type.Union([text, Type.Null()]),
})

/** What a forwarded request comes with. */
export type Carried = Static<typeof carried>

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
  const value = jsonIn(Buffer.from(said, 'base64url').toString())
  const wire = wireOf(value)
  if (wire !== wireVersion)
    return `it is of version ${JSON.stringify(wire)} of what replicas say to each other, and this one speaks ${wireVersion}`
  if (!Value.Check(carried, value)) return 'it is of another form'
  return refusalOf(value, self, nowMs) ?? value
}

/** Why what a member has said does not count here and now; null where it does. */
export function refusalOf(
  { to, atMs }: Pick<Carried, 'to' | 'atMs'>,
  self: InstanceId,
  nowMs: number,
): string | null {
  if (to !== self) return 'it is for another member'
  return Math.abs(nowMs - atMs) <= headerLivesMs ? null : 'it is too old'
}

/** Whether one of the codes is the one that was given. */
export function isSigned(given: string, codes: readonly string[]): boolean {
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
