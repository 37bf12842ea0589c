/**
 * Keeps definitions in `definitions.sqlite` in the state directory.
 *
 * The file holds upstream credentials in clear, because the gateway must send them: directory and file
 * are readable by their owner alone, and deleted rows are overwritten. Rows hold the wire form, not the
 * form in memory, so that a file outlives changes of the program.
 *
 * Two gateways may share one file: SQLite keeps it whole and the last writer of a name wins, but each
 * reads it only at its start, so a server registered with one is served by the other after a restart.
 */
import { Database, type SQLQueryBindings } from 'bun:sqlite'
import { closeSync, fstatSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, reasonOf } from '../errors.ts'
import type { ServerDefinition } from './definition.ts'
import { parseDefinition } from './definition-schema.ts'
import { definitionToStored } from './definition-wire.ts'
import { sentenceOf } from './problems.ts'
import { type DefinitionStore, StoreError } from './store.ts'

const fileName = 'definitions.sqlite'

/** How every file of SQLite begins. */
const databaseHead = Buffer.from('SQLite format 3\0')

/** Raised with each change of the tables, together with a step that brings an older file up to it. */
const schemaVersion = 2

/** How long the start waits for another process that is writing; whoever writes later asks again instead. */
const startBusyMs = 5_000

interface Row {
  readonly name: string
  readonly wire: string
  readonly created_at: string
  readonly updated_at: string
}

/**
 * Opens or creates the file. Throws an Error with one clear sentence when the directory cannot be
 * made, the file is damaged or comes from a newer version, or a stored definition cannot be read.
 */
export function openSqliteStore(directory: string): DefinitionStore {
  const path = join(directory, fileName)
  const database = openDatabase(directory, path)
  try {
    prepareTables(database, path)
    const store = sqliteStore(database, path)
    store.list()
    database.run('PRAGMA busy_timeout = 0')
    return store
  } catch (error) {
    database.close()
    throw error
  }
}

function openDatabase(directory: string, path: string): Database {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    // SQLite would create the file with the process's umask; its -wal and -shm files copy this mode.
    closeSync(openSync(path, 'a', 0o600))
    return new Database(path, { strict: true })
  } catch (error) {
    throw new Error(`Cannot open ${path}: ${reasonOf(error)}. Set storage.path to a directory of your own.`)
  }
}

function prepareTables(database: Database, path: string): void {
  const version = readable(path, () => {
    database.run(`PRAGMA busy_timeout = ${startBusyMs}`)
    const check = database.query<{ quick_check: string }, []>('PRAGMA quick_check(1)').get()
    if (check?.quick_check !== 'ok') throw new Error(check?.quick_check ?? 'no answer to the check')
    database.run('PRAGMA journal_mode = WAL')
    // FULL, not NORMAL: in WAL mode NORMAL may lose the last commits when the power goes, and a
    // registration that was answered 201 is promised to be there. It costs one fsync a change.
    database.run('PRAGMA synchronous = FULL')
    database.run('PRAGMA secure_delete = ON')
    return database.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0
  })
  if (version > schemaVersion) {
    throw new Error(
      `${path} was written by a newer version of compozy (format ${version}); upgrade, or set storage.path.`,
    )
  }
  if (version === schemaVersion) return
  readable(path, () =>
    database
      .transaction(() => {
        database.run(
          'CREATE TABLE IF NOT EXISTS definitions (name TEXT PRIMARY KEY, wire TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL) STRICT',
        )
        // Since 2.
        database.run(
          'CREATE TABLE IF NOT EXISTS disabled (name TEXT PRIMARY KEY, disabled_at TEXT NOT NULL) STRICT',
        )
        database.run(`PRAGMA user_version = ${schemaVersion}`)
      })
      .immediate(),
  )
}

function readable<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new Error(
      `${path} cannot be used as a definition store: ${reasonOf(error)}. Move it away to start empty, or restore a copy.`,
    )
  }
}

function sqliteStore(database: Database, path: string): DefinitionStore {
  let open = true
  const file = new OpenFile(path)
  const change = <T>(work: () => T): T => {
    // What is written into a file that was removed or replaced is lost at the next start.
    if (open && !file.isAt(path))
      throw new StoreError(
        false,
        `${path} was removed, replaced or overwritten while the gateway runs. Restart the gateway.`,
      )
    try {
      return work()
    } catch (error) {
      throw open ? failedChange(path, error) : error
    }
  }
  const statement = <R, B extends SQLQueryBindings[]>(sql: string) => database.prepare<R, B>(sql)
  const selectAll = statement<Row, []>('SELECT * FROM definitions ORDER BY name')
  const selectOne = statement<Row, [string]>('SELECT * FROM definitions WHERE name = ?')
  const upsert = statement<null, [string, string, string, string]>(
    'INSERT INTO definitions (name, wire, created_at, updated_at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET wire = excluded.wire, created_at = excluded.created_at, updated_at = excluded.updated_at',
  )
  const remove = statement<null, [string]>('DELETE FROM definitions WHERE name = ?')
  const selectDisabled = statement<{ disabled_at: string }, [string]>(
    'SELECT disabled_at FROM disabled WHERE name = ?',
  )
  const switchOff = statement<null, [string, string]>(
    'INSERT INTO disabled (name, disabled_at) VALUES (?, ?) ON CONFLICT (name) DO NOTHING',
  )
  const switchOn = statement<null, [string]>('DELETE FROM disabled WHERE name = ?')
  const removeWhole = database.transaction((name: string) => {
    switchOn.run(name)
    return remove.run(name).changes > 0
  })
  return {
    list: () => selectAll.all().map((row) => definitionOf(row, path)),
    get(name) {
      const row = selectOne.get(name)
      return row === null ? undefined : definitionOf(row, path)
    },
    put(definition) {
      const { name, createdAt, updatedAt } = definition
      change(() => upsert.run(name, JSON.stringify(definitionToStored(definition)), createdAt, updatedAt))
    },
    delete: (name) => change(() => removeWhole.immediate(name)),
    disabledAt: (name) => selectDisabled.get(name)?.disabled_at ?? null,
    setDisabled(name, disabledAt) {
      change(() => (disabledAt === null ? switchOn.run(name) : switchOff.run(name, disabledAt)))
    },
    close() {
      if (!open) return
      open = false
      const prepared = [selectAll, selectOne, upsert, remove, selectDisabled, switchOff, switchOn]
      for (const one of prepared) one.finalize()
      database.close()
      file.close()
    },
  }
}

/**
 * The file that was opened. SQLite itself never looks whether a path still leads to it.
 *
 * It stays open as long as the database: a process that closes any descriptor of a file gives up all its locks on
 * it (fcntl), and another gateway at the same file would then take away the log that this one writes into.
 */
class OpenFile {
  readonly #descriptor: number

  constructor(path: string) {
    this.#descriptor = openSync(path, 'r')
  }

  /** True while the path names this file, and it begins as a database does. */
  isAt(path: string): boolean {
    const named = statSync(path, { throwIfNoEntry: false })
    const { dev, ino } = fstatSync(this.#descriptor)
    if (named?.dev !== dev || named.ino !== ino) return false
    const head = Buffer.alloc(databaseHead.length)
    readSync(this.#descriptor, head, 0, head.length, 0)
    return head.equals(databaseHead)
  }

  /** Not before the database. */
  close(): void {
    closeSync(this.#descriptor)
  }
}

function failedChange(path: string, error: unknown): StoreError {
  const code = errorCode(error) ?? ''
  if (code.startsWith('SQLITE_BUSY'))
    return new StoreError(true, `Another process is writing to ${path}; try again.`)
  if (code === 'SQLITE_FULL')
    return new StoreError(false, `The disk of ${path} is full; make room and try again.`)
  return new StoreError(false, `${path} cannot be written: ${reasonOf(error)}.`)
}

function definitionOf(row: Row, path: string): ServerDefinition {
  const parsed = parseDefinition(parseJson(row.wire), { now: row.updated_at })
  if (!parsed.ok) {
    throw new Error(`${path}: the stored server ${row.name} cannot be read: ${sentenceOf(parsed.problems)}`)
  }
  return { ...parsed.definition, createdAt: row.created_at }
}

/** undefined for broken JSON, which `parseDefinition` then refuses in the same words as any other shape. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
