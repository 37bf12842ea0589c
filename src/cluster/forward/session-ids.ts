/**
 * Ids of sessions in a cluster. An id says which process has begun its session, so that any other one can pass a
 * request on without asking, and carries a code by which a forged or borrowed id is known before anybody is asked.
 *
 * Pure: who signs is given.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { InstanceId } from '../directory/directory.ts'

/** What an id is good for: this principal, at this server or group, on this endpoint. Anywhere else it opens nothing. */
export interface SessionBinding {
  readonly principalId: string
  readonly serverName: string
  readonly endpoint: 'stream' | 'sse'
}

/** The codes of a text, one for each secret of the cluster; the first is that of the secret that signs. */
export type Codes = (text: string) => readonly string[]

/** The first field of an id. Another form of it gets another number. */
const version = 'c1'
const randomBytesCount = 16
/** 16 bytes as base64url: 128 bits. */
const fieldChars = 22
const form = /^c1\.([A-Za-z0-9_-]{1,64})\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{22}$/

/** A new id for a session that this process has. */
export function mintSessionId(instance: InstanceId, binding: SessionBinding, codes: Codes): string {
  const head = `${version}.${instance}.${randomBytes(randomBytesCount).toString('base64url')}`
  return `${head}.${cut(codes(signedText(head, binding))[0] ?? '')}`
}

/** Who has begun the session of this id; null for a text of another form. Whether it is true says `isGenuine`. */
export function instanceIn(id: string): InstanceId | null {
  return form.exec(id)?.[1] ?? null
}

/** Whether a member of this cluster has given this id out, for this. */
export function isGenuine(id: string, binding: SessionBinding, codes: Codes): boolean {
  if (!form.test(id)) return false
  const at = id.lastIndexOf('.')
  const given = Buffer.from(id.slice(at + 1))
  let genuine = false
  for (const code of codes(signedText(id.slice(0, at), binding)))
    if (timingSafeEqual(given, Buffer.from(cut(code)))) genuine = true
  return genuine
}

/** One reading: none of its parts can be made to look like another one. */
function signedText(head: string, { principalId, serverName, endpoint }: SessionBinding): string {
  return JSON.stringify([head, principalId, serverName, endpoint])
}

function cut(code: string): string {
  return code.slice(0, fieldChars).padEnd(fieldChars, '-')
}
