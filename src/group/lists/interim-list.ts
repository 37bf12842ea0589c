/**
 * What a server's first connection lists, for a client whose own one is still on its way: a process takes seconds to
 * start where a launcher looks for it first, and many clients ask for their tools once and never again.
 */
import type { Server } from '../../upstream/server/server.ts'
import { type KeptLists, keepMsOf } from './kept-lists.ts'
import { type ListKind, listRows, type MemberList, readList } from './member-list.ts'

/** The connection is there and answers; a server that does not by then is left out, as it was before. */
const askMs = 1_000

/**
 * The list, or null where it may be another one for each user (`forwardHeaders`), or is not to be had at once. A server
 * that shows more to clients that can be asked something shows that when the client's own connection is there.
 */
export async function interimList(
  kept: KeptLists,
  server: Server,
  kind: ListKind,
): Promise<MemberList | null> {
  const lane = server.firstLane
  const facts = lane?.handshake?.facts
  if (!lane || !facts || lane.era !== 'legacy' || server.definition.forwardHeaders.length > 0) return null
  const place = { server, kind, key: 'interim', lane }
  const known = kept.take(place)
  if (known) return known
  const load = async () => {
    const ask = async (cursor: string | null) => {
      const params = cursor === null ? undefined : { cursor: JSON.parse(cursor) as unknown }
      return (await lane.ask(listRows[kind].method, params, askMs)).resultText
    }
    const { list, ttlMs } = await readList(kind, ask)
    return { list, keepMs: keepMsOf(facts, kind, ttlMs, false) }
  }
  try {
    return await kept.read(place, load).list
  } catch {
    return null
  }
}
