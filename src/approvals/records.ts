/** Approved and held definitions as they are kept: a record each, by server and hash. */
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { jsonIn } from '../protocol/json.ts'
import { hashOf } from './definition-text.ts'
import type { Definition, PinnedServer } from './pinned-server.ts'

const record = Type.Object({
  tool: Type.String(),
  text: Type.Union([Type.String(), Type.Null()]),
  at: Type.String(),
  /** Who has approved it; absent while it is held. */
  by: Type.Optional(Type.String()),
})

/** The id of a record; no name of a server has a blank. */
export function idOf(server: string, { hash }: Pick<Definition, 'hash'>): string {
  return `${server} ${hash}`
}

/** The record with this text; null for one that cannot be read, or whose definition does not have this hash: nobody has approved that. */
export function recordOf(text: string, hash: string): Static<typeof record> | null {
  const read = jsonIn(text)
  if (!Value.Check(record, read)) return null
  const fits = read.text === null ? read.by === undefined : hashOf(read.text) === hash
  return fits ? read : null
}

/** What is to be kept of definitions that are held, and what is to be no more because others have taken its place. */
export function heldRecords(server: PinnedServer, kept: readonly string[]): [string, string | null][] {
  const { name, approved, held } = server
  const known = new Set([...approved, ...held].map((one) => idOf(name, one)))
  return [
    ...kept.flatMap((id): [string, null][] =>
      id.startsWith(`${name} `) && !known.has(id) ? [[id, null]] : [],
    ),
    ...held.flatMap((one): [string, string][] =>
      server.approvedCount(one.tool) === 0
        ? []
        : [[idOf(name, one), JSON.stringify({ tool: one.tool, text: one.text, at: one.at })]],
    ),
  ]
}
