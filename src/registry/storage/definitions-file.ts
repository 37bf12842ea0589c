/**
 * Keeps definitions, and records of whatever else admins make, in `definitions.sqlite` in the state directory.
 *
 * The file is never changed where it lies: each change writes a whole new one beside it and puts that in its place.
 * So a copy of the one file, taken at any moment, is a whole database with every change that was answered, and a
 * full disk, a crash or a lost power leaves the one before. (Written in place, in whatever journal mode, a file can
 * be copied in the middle of a change: docs/decisions/definitions-file.md.) Rows are kept in memory beside it.
 *
 * The file holds upstream credentials in clear, because the gateway must send them: directory and file are readable
 * by their owner alone. Rows hold the wire form, not the form in memory, so that a file outlives changes of the
 * program. One gateway has the directory to itself (state-lock.ts).
 */
import { Database } from 'bun:sqlite'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { errorCode, reasonOf } from '../../errors.ts'
import { jsonIn } from '../../protocol/json.ts'
import { syncDirectory } from '../../runtime/sync-directory.ts'
import type { ServerDefinition } from '../definition.ts'
import { storedDefinition } from '../definition-schema.ts'
import { isDiskFull, storageFull } from './store.ts'

/** In the state directory. */
export const fileName = 'definitions.sqlite'

/** Raised with each change of the tables, together with what `readTables` makes of an older file. */
const schemaVersion = 3
/** The last one without `records`, which is written while there are none: an older program must not lose any. */
const versionWithoutRecords = 2

const createTables = [
  'CREATE TABLE definitions (name TEXT PRIMARY KEY, wire TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL) STRICT',
  // Since 2.
  'CREATE TABLE disabled (name TEXT PRIMARY KEY, disabled_at TEXT NOT NULL) STRICT',
]
// Since 3.
const createRecords =
  'CREATE TABLE records (kind TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (kind, id)) STRICT'

/** How long the start waits for another process that has the file open, such as a tool of an admin. */
const startBusyMs = 1_000

/** A definition, as its row. */
export interface Row {
  readonly name: string
  readonly wire: string
  readonly created_at: string
  readonly updated_at: string
}

export interface Switch {
  readonly name: string
  readonly disabled_at: string
}

interface RecordRow {
  readonly kind: string
  readonly id: string
  readonly text: string
}

/** What the file holds, each by name. */
export interface Tables {
  readonly definitions: ReadonlyMap<string, Row>
  /** When a server was switched off. */
  readonly disabled: ReadonlyMap<string, Switch>
  /** By kind, then by id. */
  readonly records: ReadonlyMap<string, ReadonlyMap<string, string>>
}

/** Throws what `openSqliteStore` would of the file that is there. */
export function checkDefinitions(directory: string): void {
  const path = join(directory, fileName)
  if (!existsSync(path)) return
  for (const row of readTables(path).definitions.values()) definitionOf(row, path)
}

/** Makes the directory, readable by its owner alone. Throws an Error with one clear sentence. */
export function makeStateDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new Error(
      isDiskFull(error)
        ? storageFull(directory)
        : `Cannot open ${directory}: ${reasonOf(error)}. Set storage.path to a directory of your own.`,
    )
  }
}

/** What a file holds that is there, whichever version has written it. It is closed again. */
export function readTables(path: string): Tables {
  let database: Database | null = null
  try {
    database = new Database(path, { readwrite: true, create: false, strict: true })
    database.run(`PRAGMA busy_timeout = ${startBusyMs}`)
    const check = database.query<{ quick_check: string }, []>('PRAGMA quick_check(1)').get()
    if (check?.quick_check !== 'ok') throw new Error(check?.quick_check ?? 'no answer to the check')
    // Takes in what an earlier version has left in its write-ahead log, which would not fit the next file.
    database.run('PRAGMA journal_mode = DELETE')
    const { user_version: version } = database
      .query<{ user_version: number }, []>('PRAGMA user_version')
      .get() ?? { user_version: 0 }
    if (version > schemaVersion) throw new NewerFile(path, version)
    // A version that was ended before its first table leaves a file without one.
    const rows = version < 1 ? [] : database.query<Row, []>('SELECT * FROM definitions').all()
    const switches = version < 2 ? [] : database.query<Switch, []>('SELECT * FROM disabled').all()
    const records = version < 3 ? [] : database.query<RecordRow, []>('SELECT * FROM records').all()
    return { definitions: byName(rows), disabled: byName(switches), records: byKind(records) }
  } catch (error) {
    throw error instanceof NewerFile ? error : unreadable(path, error)
  } finally {
    database?.close()
  }
}

function byName<R extends { readonly name: string }>(rows: readonly R[]): ReadonlyMap<string, R> {
  return new Map(rows.map((row) => [row.name, row]))
}

function byKind(rows: readonly RecordRow[]): Tables['records'] {
  const kinds = new Map<string, Map<string, string>>()
  for (const { kind, id, text } of rows) {
    const ofKind = kinds.get(kind) ?? new Map<string, string>()
    kinds.set(kind, ofKind.set(id, text))
  }
  return kinds
}

class NewerFile extends Error {
  constructor(path: string, version: number) {
    super(
      `${path} was written by a newer version of compozy (format ${version}); upgrade, or restore a copy that this version has written, or set storage.path.`,
    )
  }
}

function unreadable(path: string, error: unknown): Error {
  if (isDiskFull(error)) return new Error(storageFull(path))
  const code = errorCode(error) ?? ''
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'))
    return new Error(`${path} is open in another process; end that one and start again.`)
  if (code === 'SQLITE_CANTOPEN' || code === 'SQLITE_READONLY' || code === 'SQLITE_PERM')
    return new Error(`${path} cannot be opened for writing; look at its owner and mode, or set storage.path.`)
  return new Error(
    `${path} cannot be used as a definition store: ${reasonOf(error)}. Move it away to start empty, or restore a copy.`,
  )
}

export function digestOf(path: string): string {
  return digestOfBytes(readFileSync(path))
}

function digestOfBytes(bytes: Uint8Array): string {
  return String(Bun.hash(bytes))
}

/**
 * Puts a file with these tables in the place of the one at `path`, and returns its digest, which `announce` is told
 * just before. It is on disk by then.
 */
export function replaceFile(
  path: string,
  tables: Tables,
  announce: (digest: string) => void = () => {},
): string {
  const bytes = databaseOf(tables)
  const digest = digestOfBytes(bytes)
  const next = `${path}.new`
  try {
    const file = openSync(next, 'w', 0o600)
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    announce(digest)
    renameSync(next, path)
  } catch (error) {
    rmSync(next, { force: true })
    throw error
  }
  syncDirectory(join(path, '..'))
  return digest
}

function databaseOf({ definitions, disabled, records }: Tables): Uint8Array {
  const database = new Database(':memory:', { strict: true })
  const recorded = [...records].flatMap(([kind, ofKind]) =>
    [...ofKind].map(([id, text]): [string, string, string] => [kind, id, text]),
  )
  try {
    for (const statement of createTables) database.run(statement)
    if (recorded.length > 0) database.run(createRecords)
    database.run(`PRAGMA user_version = ${recorded.length > 0 ? schemaVersion : versionWithoutRecords}`)
    const define = database.prepare<null, [string, string, string, string]>(
      'INSERT INTO definitions (name, wire, created_at, updated_at) VALUES (?, ?, ?, ?)',
    )
    const switchOff = database.prepare<null, [string, string]>(
      'INSERT INTO disabled (name, disabled_at) VALUES (?, ?)',
    )
    database.transaction(() => {
      for (const { name, wire, created_at, updated_at } of definitions.values())
        define.run(name, wire, created_at, updated_at)
      for (const { name, disabled_at } of disabled.values()) switchOff.run(name, disabled_at)
    })()
    for (const prepared of [define, switchOff]) prepared.finalize()
    if (recorded.length > 0) writeRecords(database, recorded)
    return database.serialize()
  } finally {
    database.close()
  }
}

function writeRecords(database: Database, recorded: readonly [string, string, string][]): void {
  const insert = database.prepare<null, [string, string, string]>(
    'INSERT INTO records (kind, id, text) VALUES (?, ?, ?)',
  )
  database.transaction(() => {
    for (const row of recorded) insert.run(...row)
  })()
  insert.finalize()
}

export function definitionOf(row: Row, path: string): ServerDefinition {
  const { name, wire, created_at: createdAt, updated_at: updatedAt } = row
  return storedDefinition(`${path}: the stored server ${name}`, jsonIn(wire), { createdAt, updatedAt })
}
