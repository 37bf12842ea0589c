/**
 * The store in `definitions.sqlite` (definitions-file.ts): rows in memory, and the file that holds the same.
 *
 * One gateway has the file to itself, and refuses to write over what it has not written. The workers of one gateway
 * share it: each change is made in turn, on top of what the file holds then, and the others take it in when they are
 * told.
 */
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '../../errors.ts'
import type { ServerDefinition } from '../definition.ts'
import { definitionToStored } from '../definition-wire.ts'
import {
  definitionOf,
  digestOf,
  fileName,
  makeStateDirectory,
  readTables,
  replaceFile,
  type Tables,
} from './definitions-file.ts'
import {
  changedRecords,
  type DefinitionStore,
  isDiskFull,
  type KeptKind,
  type RecordKind,
  StoreError,
  storageFull,
} from './store.ts'

/**
 * Opens or creates the file. Throws an Error with one clear sentence when the directory cannot be made, the disk is
 * full, the file is damaged or comes from a newer version, or a stored definition cannot be read.
 */
export function openSqliteStore(directory: string): DefinitionStore {
  return openFile(directory, null)
}

/**
 * The same for one of several processes that change the file in turns, as `turns` lets them, which is told of each
 * change that is made here.
 */
export function openSharedStore(directory: string, turns: Turns): SharedStore {
  return openFile(directory, turns)
}

/** Lets one process after the other change the file. */
export interface Turns {
  /** Runs it while no other process does. Throws when its turn does not come. */
  take<T>(work: () => T): T
  /** The file has this digest, or one of these as long as a change is put in its place. */
  writes(...digests: readonly string[]): void
  /** Whether one of these processes has written the file of this digest last. */
  isOurs(digest: string): boolean
  /** The file was changed here. */
  changed(): void
}

/** What others have changed in the meantime. */
export interface StoredChanges {
  /** Names of servers whose definitions are others, or gone. */
  readonly definitions: readonly string[]
  /** Names of servers that were switched on or off. */
  readonly switches: readonly string[]
  readonly records: readonly RecordKind[]
}

export interface SharedStore extends DefinitionStore {
  /** Goes on with what the file holds now, and says what of it others have changed since this was asked last. */
  takeIn(): StoredChanges
}

function openFile(directory: string, turns: Turns | null): SharedStore {
  const path = join(directory, fileName)
  makeStateDirectory(directory)
  const open = (): FileStore => {
    // What a change that was cut short has left holds credentials.
    rmSync(`${path}.new`, { force: true })
    return new FileStore(path, existsSync(path) ? readTables(path) : null, turns)
  }
  const store = turns === null ? open() : turns.take(open)
  store.list()
  return store
}

type Update = (tables: Tables) => Tables

class FileStore implements SharedStore {
  readonly #path: string
  /** Null where this process has the file to itself. */
  readonly #turns: Turns | null
  /** Null once it is closed. */
  #tables: Tables | null
  /** What of it is known outside: what others have changed since is told by `takeIn`. */
  #told: Tables
  /** Of the file as it was read or written last. */
  #digest: string
  /** Changes that are to be one; null while each is written at once. */
  #gathered: Update[] | null = null

  /** `found` is what the file holds that is there; without one an empty file is written. */
  constructor(path: string, found: Tables | null, turns: Turns | null) {
    this.#path = path
    this.#turns = turns
    this.#tables = found ?? { definitions: new Map(), disabled: new Map(), records: new Map() }
    this.#told = this.#tables
    try {
      this.#digest = found === null ? replaceFile(path, this.#tables) : digestOf(path)
    } catch (error) {
      throw new Error(
        isDiskFull(error)
          ? storageFull(path)
          : `Cannot open ${path}: ${reasonOf(error)}. Set storage.path to a directory of your own.`,
      )
    }
  }

  list(): ServerDefinition[] {
    const rows = [...this.#opened().definitions.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    return rows.map((row) => definitionOf(row, this.#path))
  }

  get(name: string): ServerDefinition | undefined {
    const row = this.#opened().definitions.get(name)
    return row === undefined ? undefined : definitionOf(row, this.#path)
  }

  put(definition: ServerDefinition): void {
    const { name, createdAt, updatedAt } = definition
    const wire = JSON.stringify(definitionToStored(definition))
    const row = { name, wire, created_at: createdAt, updated_at: updatedAt }
    this.#change(({ definitions, ...others }) => ({
      ...others,
      definitions: new Map(definitions).set(name, row),
    }))
  }

  delete(name: string): boolean {
    const { definitions, disabled } = this.#opened()
    const found = definitions.has(name)
    if (found || disabled.has(name))
      this.#change((tables) => ({
        definitions: without(tables.definitions, name),
        disabled: without(tables.disabled, name),
        records: tables.records,
      }))
    return found
  }

  disabledAt(name: string): string | null {
    return this.#opened().disabled.get(name)?.disabled_at ?? null
  }

  setDisabled(name: string, disabledAt: string | null): void {
    if (this.#opened().disabled.has(name) === (disabledAt !== null)) return
    this.#change(({ disabled, ...others }) => ({
      ...others,
      disabled:
        disabledAt === null
          ? without(disabled, name)
          : new Map(disabled).set(name, { name, disabled_at: disabledAt }),
    }))
  }

  switches(): ReadonlyMap<string, string> {
    return new Map([...this.#opened().disabled.values()].map((row) => [row.name, row.disabled_at]))
  }

  records(kind: KeptKind): ReadonlyMap<string, string> {
    return this.#opened().records.get(kind) ?? new Map()
  }

  putRecords(kind: KeptKind, changes: ReadonlyMap<string, string | null>): void {
    this.#change(({ records, ...others }) => ({
      ...others,
      records: new Map(records).set(kind, changedRecords(records.get(kind) ?? new Map(), changes)),
    }))
  }

  together(work: () => void): void {
    const gathered: Update[] = []
    this.#gathered = gathered
    try {
      work()
    } finally {
      this.#gathered = null
    }
    if (gathered.length > 0)
      this.#change((tables) => gathered.reduce((changed, update) => update(changed), tables))
  }

  takeIn(): StoredChanges {
    this.#takeOthers()
    const before = this.#told
    const now = this.#opened()
    this.#told = now
    return {
      definitions: changedIn(before.definitions, now.definitions),
      switches: changedIn(before.disabled, now.disabled),
      records: changedIn(before.records, now.records) as RecordKind[],
    }
  }

  close(): void {
    this.#tables = null
  }

  #opened(): Tables {
    if (this.#tables === null) throw new Error('The definition store is closed.')
    return this.#tables
  }

  #change(update: Update): void {
    if (this.#gathered !== null) {
      this.#gathered.push(update)
      return
    }
    const turns = this.#turns
    const write = (): void => {
      this.#takeOthers()
      // Somebody has restored a copy, or edited the file: writing over that would lose it.
      if (!this.#isUntouched())
        throw new StoreError(
          'STORE_UNAVAILABLE',
          `${this.#path} was removed, replaced or overwritten while the gateway runs. Restart the gateway.`,
        )
      this.#write(update)
    }
    if (turns === null) {
      write()
      return
    }
    turns.take(write)
    this.#told = update(this.#told)
    turns.changed()
  }

  /** Goes on with the file where another one of these processes has written it. */
  #takeOthers(): void {
    if (this.#turns === null || this.#isUntouched()) return
    try {
      const digest = digestOf(this.#path)
      if (!this.#turns.isOurs(digest)) return
      this.#tables = readTables(this.#path)
      this.#digest = digest
    } catch (error) {
      throw new StoreError('STORE_UNAVAILABLE', `${this.#path} cannot be read: ${reasonOf(error)}.`)
    }
  }

  #write(update: Update): void {
    const tables = update(this.#opened())
    try {
      // Before it is there: whoever ends in between leaves a file that the others know.
      const announce = (digest: string) => this.#turns?.writes(this.#digest, digest)
      this.#digest = replaceFile(this.#path, tables, announce)
      this.#tables = tables
      this.#turns?.writes(this.#digest)
    } catch (error) {
      throw isDiskFull(error)
        ? new StoreError('STORAGE_FULL', storageFull(this.#path))
        : new StoreError('STORE_UNAVAILABLE', `${this.#path} cannot be written: ${reasonOf(error)}.`)
    }
  }

  #isUntouched(): boolean {
    try {
      return digestOf(this.#path) === this.#digest
    } catch {
      return false
    }
  }
}

/** What is in one of them and not the same in the other. */
function changedIn(before: ReadonlyMap<string, unknown>, now: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...before.keys(), ...now.keys()])].filter(
    (name) => !Bun.deepEquals(before.get(name), now.get(name)),
  )
}

function without<V>(rows: ReadonlyMap<string, V>, name: string): ReadonlyMap<string, V> {
  const others = new Map(rows)
  others.delete(name)
  return others
}
