/** Stored credentials as they are kept: a record each, with what it is for in clear and its value sealed. */
import { createHash } from 'node:crypto'
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { jsonIn } from '../../protocol/json.ts'
import { sealText, unsealText } from '../../runtime/sealed-text.ts'
import type { SealingKey } from './sealing-key.ts'

const text = (maxLength: number) => Type.String({ maxLength })

const rowSchema = Type.Object({
  owner: text(1_024),
  server: text(256),
  name: text(256),
  /** Who it may be shown to, beside the server's name; empty for nobody in particular. */
  issuer: text(4_096),
  version: Type.Integer({ minimum: 1 }),
  updatedAt: text(64),
  /** The id of the key that it is sealed with. */
  key: text(64),
  sealed: Type.String(),
})

/** One credential, sealed. */
export type Row = Static<typeof rowSchema>

/** The id of its record. What is hashed has one reading; names may be long, and hold anything. */
export function rowId(owner: string, server: string, name: string): string {
  return createHash('sha256')
    .update(JSON.stringify([owner, server, name]))
    .digest('base64url')
}

/** The row in a record; null for one that cannot be read, or stands under the id of another. */
export function rowOf(id: string, record: string): Row | null {
  const read = jsonIn(record)
  if (!Value.Check(rowSchema, read)) return null
  return rowId(read.owner, read.server, read.name) === id ? read : null
}

/** The row with this value in it. */
export function sealedRow(facts: Omit<Row, 'key' | 'sealed'>, value: string, key: SealingKey): Row {
  const row = { ...facts, key: key.id }
  return { ...row, sealed: sealText(key.bytes, value, boundOf(row)) }
}

/** Its value; null where it was sealed with another key, or anything of the row was changed since. */
export function openedRow(row: Row, key: SealingKey): string | null {
  return unsealText(key.bytes, row.sealed, boundOf(row))
}

/** All that is said of it in clear: a row cannot be made another's, another server's or an older one's. */
function boundOf({ owner, server, name, issuer, version, updatedAt, key }: Omit<Row, 'sealed'>): string {
  return JSON.stringify(['compozy credential', owner, server, name, issuer, version, updatedAt, key])
}
