/** One answer to a list request of a group: all of its items up to a bound, and a cursor for those behind it. Pure. */
import { rpcCodes } from '../../protocol/eras.ts'
import type { Missing } from '../client.ts'
import { refusal } from '../refusal.ts'
import type { Pageable } from './composed.ts'
import { type ListKind, listRows } from './member-list.ts'

export interface PageBounds {
  readonly itemsMax: number
  readonly bytesMax: number
}

/** Where a page begins: at this item of this member, as long as that has the list that it had. */
interface Place {
  readonly server: string
  readonly position: number
  readonly digest: string
}

/** Names which members an answer lacks, and why. */
const unavailableKey = 'com.compozy/unavailable'

/** The members of the result, as JSON texts by name. Throws a refusal for a cursor that fits no list (any more). */
export function listPage(
  kind: ListKind,
  { composed, missing }: { readonly composed: Pageable; readonly missing: readonly Missing[] },
  cursor: unknown,
  { itemsMax, bytesMax }: PageBounds,
): Record<string, string> {
  const { items } = composed
  const start = cursor === undefined ? 0 : startOf(composed, cursor)
  let end = start
  let bytes = 0
  for (; end < items.length && end - start < itemsMax; end++) {
    bytes += Buffer.byteLength(items[end]?.text ?? '') + 1
    if (bytes > bytesMax && end > start) break
  }
  const texts = items.slice(start, end).map(({ text }) => text)
  return {
    [listRows[kind].member]: `[${texts.join(',')}]`,
    ...(end < items.length && { nextCursor: JSON.stringify(cursorAt(composed, end)) }),
    ...metaOf(missing),
  }
}

/** The member of a result that names who is missing from it; none where nobody is. */
export function metaOf(missing: readonly Missing[]): Record<string, string> {
  return missing.length === 0 ? {} : { _meta: JSON.stringify({ [unavailableKey]: missing }) }
}

function cursorAt(composed: Pageable, at: number): string {
  const server = composed.items[at]?.server ?? ''
  const { first, digest } = composed.partOf(server)
  return Buffer.from(JSON.stringify([digest, at - first, server])).toString('base64url')
}

function startOf(composed: Pageable, cursor: unknown): number {
  const place = typeof cursor === 'string' ? readPlace(cursor) : null
  if (place === null) throw refusal(rpcCodes.invalidParams, 'The cursor is none of this list.')
  const { first, count, digest } = composed.partOf(place.server)
  if (digest !== place.digest || place.position >= count)
    throw refusal(rpcCodes.invalidParams, 'The list has changed since this cursor was given; list anew.')
  return first + place.position
}

const cursorCharsMax = 512

function readPlace(cursor: string): Place | null {
  if (cursor.length > cursorCharsMax) return null
  try {
    const read: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (!Array.isArray(read)) return null
    const [digest, position, server]: unknown[] = read
    if (typeof digest !== 'string' || typeof server !== 'string') return null
    return Number.isSafeInteger(position) && Number(position) >= 0
      ? { digest, position: Number(position), server }
      : null
  } catch {
    return null
  }
}
