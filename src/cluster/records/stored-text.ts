/**
 * What admins have made, as texts under one kind of key: `definition/NAME`, `switch/NAME` for what is switched off, and
 * a kind of record and its id (`key/ID`, `approval/…`).
 */
import type { ServerDefinition } from '../../registry/definition.ts'
import { storedDefinition } from '../../registry/definition-schema.ts'
import { definitionToStored } from '../../registry/definition-wire.ts'
import type { StoredChanges } from '../../registry/storage/sqlite.ts'
import { type DefinitionStore, type RecordKind, recordKinds } from '../../registry/storage/store.ts'

export type StoredKey = `definition/${string}` | `switch/${string}` | `${RecordKind}/${string}`

export const definitionKey = (name: string): StoredKey => `definition/${name}`
export const switchKey = (name: string): StoredKey => `switch/${name}`
export const recordKey = (kind: RecordKind, id: string): StoredKey => `${kind}/${id}`

/** A key in its parts; null for one that this version does not know. */
export function partsOf(key: string): { kind: 'definition' | 'switch' | RecordKind; id: string } | null {
  const at = key.indexOf('/')
  const kind = key.slice(0, at)
  const known = (['definition', 'switch', ...recordKinds] as const).find((each) => each === kind)
  return known === undefined ? null : { kind: known, id: key.slice(at + 1) }
}

/** All that a store holds, by key. */
export function textsIn(store: DefinitionStore): Map<StoredKey, string> {
  const texts = new Map<StoredKey, string>()
  for (const definition of store.list()) {
    texts.set(definitionKey(definition.name), textOfDefinition(definition))
  }
  for (const [name, disabledAt] of store.switches()) texts.set(switchKey(name), disabledAt)
  for (const kind of recordKinds)
    for (const [id, text] of store.records(kind)) texts.set(recordKey(kind, id), text)
  return texts
}

/** With the references to secrets that were written, and not their values. */
export function textOfDefinition(definition: ServerDefinition): string {
  const { createdAt, updatedAt } = definition
  return JSON.stringify({ wire: definitionToStored(definition), createdAt, updatedAt })
}

/** Throws an Error of one clear sentence for a text that this version cannot read. */
export function definitionOfText(name: string, text: string): ServerDefinition {
  // Written by a member, which `textOfDefinition` has read from a definition.
  const { wire, ...times } = JSON.parse(text) as { wire: unknown; createdAt: string; updatedAt: string }
  return storedDefinition(`the shared server ${name}`, wire, times)
}

/** What of a gateway these keys concern. */
export function changesOf(keys: Iterable<string>): StoredChanges {
  const definitions: string[] = []
  const switches: string[] = []
  const records = new Set<RecordKind>()
  for (const key of keys) {
    const parts = partsOf(key)
    if (parts === null) continue
    if (parts.kind === 'definition') definitions.push(parts.id)
    else if (parts.kind === 'switch') switches.push(parts.id)
    else records.add(parts.kind)
  }
  return { definitions, switches, records: [...records] }
}
