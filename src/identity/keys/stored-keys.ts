/** Keys as they stand in the state directory, one record each: never their text, only its digest. */
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { jsonIn } from '../../protocol/json.ts'
import {
  fileKeySchema,
  instantMs,
  keyIdSchema,
  keyOf,
  keyToWire,
  newKeySchema,
} from '../../registry/access/key-schema.ts'
import type { DefinitionStore } from '../../registry/storage/store.ts'
import { KeyEntry, type KeySecrets } from './held-key.ts'

const { user, access, rate, inFlight, role, name } = newKeySchema.properties
const { hash } = fileKeySchema.properties
const time = Type.String({ maxLength: 64 })

const recordSchema = Type.Object({
  ...{ name, user, access, rate, inFlight, role, hash },
  expires: Type.Union([time, Type.Null()]),
  createdAt: time,
  rotatedAt: Type.Union([time, Type.Null()]),
  previous: Type.Union([Type.Object({ hash, ends: time }), Type.Null()]),
})

/** The record of a key. */
export function recordOf(entry: KeyEntry): string {
  const { key, known, createdAt } = entry
  const record: Static<typeof recordSchema> = {
    ...keyToWire(key),
    hash: known.hash,
    expires: isoOf(key.expiresAtMs),
    createdAt: createdAt ?? new Date().toISOString(),
    rotatedAt: known.rotatedAt,
    previous:
      known.previous === null
        ? null
        : { hash: known.previous.hash, ends: new Date(known.previous.endsAtMs).toISOString() },
  }
  return JSON.stringify(record)
}

/** Every stored key. `unreadable` gets the id of a record that cannot be read, which then does not count. */
export function storedKeys(
  store: Pick<DefinitionStore, 'records'>,
  unreadable: (id: string) => void,
): KeyEntry[] {
  return [...store.records('key')].flatMap(([id, text]) => {
    const record = jsonIn(text)
    if (!Value.Check(keyIdSchema, id) || !Value.Check(recordSchema, record)) {
      unreadable(id)
      return []
    }
    const previousEndsAtMs = record.previous === null ? null : instantMs(record.previous.ends)
    const known: KeySecrets = {
      hash: record.hash,
      rotatedAt: record.rotatedAt,
      previous:
        record.previous === null || previousEndsAtMs === null || previousEndsAtMs <= Date.now()
          ? null
          : { hash: record.previous.hash, endsAtMs: previousEndsAtMs },
    }
    // An end that cannot be read is over: it must not become none.
    const expiresAtMs = record.expires === null ? null : (instantMs(record.expires) ?? 0)
    return [new KeyEntry(keyOf(id, record, expiresAtMs), known, 'store', record.createdAt)]
  })
}

/** An instant as the wire has it; null stays null. */
export function isoOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
