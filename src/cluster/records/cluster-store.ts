/**
 * The store of definitions and records where several replicas share one: everything is read from memory, a change is
 * confirmed by the directory, and what the others change is told to this gateway. What is known is kept in the state
 * directory as well, so that a replica starts, and serves, while the directory is away.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { reasonOf } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { resolveStored } from '../../registry/secrets/resolve.ts'
import type { StoredChanges } from '../../registry/storage/sqlite.ts'
import type { DefinitionStore, KeptKind, RecordKind } from '../../registry/storage/store.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Directory } from '../directory/directory.ts'
import type { Seal } from '../seal.ts'
import { type BookSnapshot, type KnownRecord, RecordBook } from './record-book.ts'
import {
  changesOf,
  definitionKey,
  definitionOfText,
  partsOf,
  recordKey,
  switchKey,
  textOfDefinition,
  textsIn,
} from './stored-text.ts'

export interface ClusterStoreParts {
  /** What is in the state directory of this replica. */
  readonly local: DefinitionStore
  readonly directory: Directory
  readonly seal: Seal
  readonly log: Log
  /** Directories below which definitions may name files of secrets. */
  readonly secretDirs: readonly string[]
  /** The directory's clock. */
  nowMs(): number
}

/** The id of the note that says when the snapshot was up to date. */
const syncedId = ''

export class ClusterStore implements DefinitionStore {
  readonly #parts: ClusterStoreParts
  readonly #book: RecordBook
  readonly #records = new Map<RecordKind, Map<string, string>>()
  readonly #within = new AsyncLocalStorage<Promise<void>[]>()
  #listener: (changes: StoredChanges) => void = () => {}
  #closed = false
  #keepFault = ''

  constructor(parts: ClusterStoreParts) {
    this.#parts = parts
    const { directory, seal, log, nowMs } = parts
    const start = snapshotIn(parts.local)
    for (const [key, { text }] of start.records) this.#note(key, text)
    this.#book = new RecordBook({
      ...{ directory, seal, log, nowMs, start },
      changed: (keys, foreign) => this.#changed(keys, foreign),
    })
  }

  /** Whether something is known of the cluster, though perhaps of yesterday. */
  get wasSynced(): boolean {
    return this.#book.syncedMs !== null
  }

  get book(): Pick<RecordBook, 'noticed' | 'reconcile' | 'untilBegun' | 'isForeign' | 'get' | 'write'> {
    return this.#book
  }

  /** Has `listener` told of changes that were not made here, or were taken back. */
  listen(listener: (changes: StoredChanges) => void): void {
    this.#listener = listener
  }

  /** Resolves when all that `work` has written is in the directory; rejects with a StoreError when it is not. */
  async confirm<T>(work: () => Promise<T>): Promise<T> {
    const writes: Promise<void>[] = []
    const result = await this.#within.run(writes, work)
    await Promise.all(writes)
    return result
  }

  list(): ServerDefinition[] {
    this.#open()
    const names = [...this.#book.records].flatMap(([key, { text }]) => {
      const parts = text === null ? null : partsOf(key)
      return parts?.kind === 'definition' ? [parts.id] : []
    })
    return names.sort().flatMap((name) => this.get(name) ?? [])
  }

  get(name: string): ServerDefinition | undefined {
    this.#open()
    const text = this.#book.get(definitionKey(name))
    if (text === null) return undefined
    try {
      return resolveStored(definitionOfText(name, text), this.#parts.secretDirs)
    } catch (thrown) {
      // Of a newer version, which another replica has already.
      this.#parts.log.warn({ mcp: name, reason: reasonOf(thrown) }, 'a shared server is passed over')
      return undefined
    }
  }

  put(definition: ServerDefinition): void {
    this.#write(new Map([[definitionKey(definition.name), textOfDefinition(definition)]]))
  }

  delete(name: string): boolean {
    const found = this.#book.get(definitionKey(name)) !== null
    const keys = [definitionKey(name), switchKey(name)].filter((key) => this.#book.get(key) !== null)
    if (keys.length > 0) this.#write(new Map(keys.map((key) => [key, null])))
    return found
  }

  disabledAt(name: string): string | null {
    this.#open()
    return this.#book.get(switchKey(name))
  }

  switches(): ReadonlyMap<string, string> {
    return new Map(
      [...this.#book.records].flatMap(([key, { text }]) => {
        const parts = partsOf(key)
        return parts?.kind === 'switch' && text !== null ? [[parts.id, text]] : []
      }),
    )
  }

  setDisabled(name: string, disabledAt: string | null): void {
    if ((this.disabledAt(name) === null) === (disabledAt === null)) return
    this.#write(new Map([[switchKey(name), disabledAt]]))
  }

  records(kind: KeptKind): ReadonlyMap<string, string> {
    this.#open()
    return kind === 'shared' ? new Map() : (this.#records.get(kind) ?? new Map())
  }

  putRecords(kind: KeptKind, changes: ReadonlyMap<string, string | null>): void {
    if (kind === 'shared') return
    const known = this.records(kind)
    const differing = [...changes].filter(([id, text]) => (known.get(id) ?? null) !== text)
    if (differing.length > 0) this.#write(new Map(differing.map(([id, text]) => [recordKey(kind, id), text])))
  }

  together(work: () => void): void {
    work()
  }

  close(): void {
    if (this.#closed) return
    this.#keep(new Set())
    this.#closed = true
    this.#parts.local.close()
  }

  #open(): void {
    if (this.#closed) throw new Error('The definition store is closed.')
  }

  #write(changes: ReadonlyMap<string, string | null>): void {
    this.#open()
    const written = this.#book.write(changes)
    this.#within.getStore()?.push(written)
    written.catch((thrown: unknown) =>
      this.#parts.log.warn({ reason: reasonOf(thrown) }, 'a change was taken back'),
    )
  }

  #changed(keys: ReadonlySet<string>, foreign: boolean): void {
    for (const key of keys) this.#note(key, this.#book.get(key))
    this.#keep(keys)
    if (foreign) this.#listener(changesOf(keys))
  }

  #note(key: string, text: string | null): void {
    const parts = partsOf(key)
    if (parts === null || parts.kind === 'definition' || parts.kind === 'switch') return
    // Whoever holds the map of before goes on with it, as with any store.
    const ofKind = new Map(this.#records.get(parts.kind))
    if (text === null) ofKind.delete(parts.id)
    else ofKind.set(parts.id, text)
    this.#records.set(parts.kind, ofKind)
  }

  /** The snapshot is for the next start: where it cannot be written, this replica goes on with what is in memory. */
  #keep(keys: ReadonlySet<string>): void {
    const { local, log } = this.#parts
    try {
      local.together(() => this.#keepAll(keys))
      this.#keepFault = ''
    } catch (thrown) {
      const reason = reasonOf(thrown)
      if (reason !== this.#keepFault) log.warn({ reason }, 'the snapshot of shared records cannot be written')
      this.#keepFault = reason
    }
  }

  #keepAll(keys: ReadonlySet<string>): void {
    const { local } = this.#parts
    const notes = new Map<string, string | null>([[syncedId, noteOfSync(this.#book.syncedMs)]])
    const records = new Map<RecordKind, Map<string, string | null>>()
    for (const key of keys) {
      const parts = partsOf(key)
      if (parts === null) continue
      const { kind, id } = parts
      const known = this.#book.records.get(key)
      const text = known?.text ?? null
      notes.set(key, known === undefined ? null : `${known.version}${text === null ? ' removed' : ''}`)
      if (kind === 'definition') {
        if (text === null) local.delete(id)
        else this.#keepDefinition(id, text)
      } else if (kind === 'switch') local.setDisabled(id, text)
      else records.set(kind, (records.get(kind) ?? new Map<string, string | null>()).set(id, text))
    }
    for (const [kind, changes] of records) local.putRecords(kind, changes)
    local.putRecords('shared', notes)
  }

  /** Of a newer version, which another replica has already, there is nothing that could be kept. */
  #keepDefinition(name: string, text: string): void {
    try {
      this.#parts.local.put(definitionOfText(name, text))
    } catch (thrown) {
      this.#parts.log.debug({ mcp: name, reason: reasonOf(thrown) }, 'a shared server is not kept')
    }
  }
}

function noteOfSync(syncedMs: number | null): string | null {
  return syncedMs === null ? null : String(Math.round(syncedMs))
}

/** What an earlier run has kept, and what was made here while this gateway was alone. */
function snapshotIn(local: DefinitionStore): BookSnapshot {
  const notes = local.records('shared')
  const texts = textsIn(local)
  const records = new Map<string, KnownRecord>()
  // What nobody has seen yet is older than anything that the others have.
  for (const [key, text] of texts) records.set(key, { version: Number(notes.get(key) ?? 1) || 1, text })
  for (const [key, note] of notes) {
    const version = Number(/^(\d{1,16}) removed$/.exec(note)?.[1] ?? 0)
    if (version > 0 && !records.has(key)) records.set(key, { version, text: null })
  }
  return { records, syncedMs: Number(notes.get(syncedId) ?? 0) || null }
}
