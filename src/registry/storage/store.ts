/** Where the definitions registered over the admin API are kept. In memory: here; in a file: sqlite.ts. */
import { errorCode, GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../definition.ts'

/** A change that was not made. */
export class StoreError extends GatewayError {
  constructor(code: 'STORE_UNAVAILABLE' | 'STORAGE_FULL', details: string) {
    super(code, details)
  }
}

/** No room on the disk, in the user's share of it, or below the bound for one file. */
const fullCodes: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'SQLITE_FULL'])

/** Whether what was thrown means that there is no room to write. */
export function isDiskFull(thrown: unknown): boolean {
  return fullCodes.has(errorCode(thrown))
}

/** What is said then, of the file or directory at this path. */
export function storageFull(path: string): string {
  return `The disk of ${path} is full. Make room there and try again; what was stored before is whole.`
}

/** What is kept beside definitions, a text each: keys, which doors they have closed, approved tools, sealed credentials. */
export const recordKinds = ['key', 'closed door', 'approval', 'credential'] as const
export type RecordKind = (typeof recordKinds)[number]
/** Beside these, how far a replica has come with what all of them share. */
export type KeptKind = RecordKind | 'shared'

/**
 * Synchronous on purpose: a change is judged against the stored state and made in one step, with
 * nothing in between that another request could slip into.
 */
export interface DefinitionStore {
  /** Every definition, ordered by name. */
  list(): ServerDefinition[]
  get(name: string): ServerDefinition | undefined
  /**
   * Adds or replaces. What it returned from is there after a crash (unless the store is memory). Throws a StoreError
   * when the change was not made.
   */
  put(definition: ServerDefinition): void
  /** `true` when there was one; it leaves no switch behind. Throws a StoreError, as `put` does. */
  delete(name: string): boolean
  /** When an admin has switched off the server of this name, also one of the file (ISO 8601); null while it is on. */
  disabledAt(name: string): string | null
  /** Switches a server off, or with null on. Throws a StoreError, as `put` does. */
  setDisabled(name: string, disabledAt: string | null): void
  /** When each server was switched off that is (ISO 8601). */
  switches(): ReadonlyMap<string, string>
  /** All records of this kind, by id. */
  records(kind: KeptKind): ReadonlyMap<string, string>
  /** Puts these in their place, null for none, in one change. Throws a StoreError, as `put` does. */
  putRecords(kind: KeptKind, changes: ReadonlyMap<string, string | null>): void
  /** Makes what `work` changes one change, which it sees afterwards. Throws a StoreError, as `put` does. */
  together(work: () => void): void
  /**
   * Where replicas share a store: resolves when all that `work` has written is there for everybody, and rejects with a
   * StoreError where it is not. Absent where a change is made when it returns.
   */
  confirm?<T>(work: () => Promise<T>): Promise<T>
  /** Gives the file back. Calling it again does nothing; any other call after it throws. */
  close(): void
}

/** Keeps definitions until the process ends (`storage.type: memory`). */
export function createMemoryStore(): DefinitionStore {
  let definitions: Map<string, ServerDefinition> | null = new Map()
  const disabled = new Map<string, string>()
  const records = new Map<KeptKind, ReadonlyMap<string, string>>()
  const recordsOf = (kind: KeptKind): ReadonlyMap<string, string> => records.get(kind) ?? new Map()
  const opened = (): Map<string, ServerDefinition> => {
    if (definitions === null) throw new Error('The definition store is closed.')
    return definitions
  }
  return {
    list: () => [...opened().values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    get: (name) => opened().get(name),
    put: (definition) => void opened().set(definition.name, definition),
    delete(name) {
      disabled.delete(name)
      return opened().delete(name)
    },
    disabledAt: (name) => disabled.get(name) ?? null,
    setDisabled(name, disabledAt) {
      if (disabledAt === null) disabled.delete(name)
      else disabled.set(name, disabledAt)
    },
    switches: () => new Map(disabled),
    records: recordsOf,
    putRecords(kind, changes) {
      records.set(kind, changedRecords(recordsOf(kind), changes))
    },
    together: (work) => work(),
    close() {
      definitions = null
    },
  }
}

/** These records with the changes made. */
export function changedRecords(
  records: ReadonlyMap<string, string>,
  changes: ReadonlyMap<string, string | null>,
): ReadonlyMap<string, string> {
  const changed = new Map(records)
  for (const [id, text] of changes) {
    if (text === null) changed.delete(id)
    else changed.set(id, text)
  }
  return changed
}
