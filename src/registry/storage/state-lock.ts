/**
 * A state directory belongs to one gateway at a time: two would each keep a list of servers of their own and write
 * over the other's.
 *
 * The lock is the kernel's, taken the way SQLite locks a file, on `gateway.lock`: it ends with the process that holds
 * it, however that ends, so that nothing has to be cleared away after kill -9. `gateway.json` beside it tells people
 * who holds it; it decides nothing. The lock file is opened here alone: a process that closes any descriptor of a
 * file gives up all its locks on it (fcntl).
 */
import { Database } from 'bun:sqlite'
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { errorCode, reasonOf } from '../../errors.ts'
import { makeStateDirectory } from './definitions-file.ts'
import { isDiskFull, storageFull } from './store.ts'

const holderSchema = Type.Object({
  pid: Type.Integer(),
  version: Type.String(),
  /** Where it listens; null while it is starting. */
  url: Type.Union([Type.String(), Type.Null()]),
  /** Of the machine, or of the container. */
  host: Type.String(),
})

/** The gateway that holds a state directory, as it says itself. */
export type StateHolder = Static<typeof holderSchema>

/** Another gateway has the directory. The message is one line that names it and says what to do. */
export class StateHeldError extends Error {
  override readonly name = 'StateHeldError'

  constructor(
    readonly directory: string,
    /** Null when it has not said yet who it is. */
    readonly holder: StateHolder | null,
  ) {
    super(
      `the state directory ${directory} is in use by another gateway${described(holder)}; stop that one, or set storage.path to a directory of this one's own`,
    )
  }
}

/** ` (compozy 0.1.0, pid 4711, http://127.0.0.1:6001)`, as far as it is known. */
function described(holder: StateHolder | null): string {
  if (holder === null) return ''
  const { version, pid, host, url } = holder
  const place = host === hostname() ? '' : ` on ${host}`
  return ` (compozy ${version}, pid ${pid}${place}, ${url === null ? 'starting' : `listening on ${url}`})`
}

/** Lasts as long as somebody refers to it. */
export interface StateLock {
  /** Tells whoever comes second where this gateway listens. */
  announce(url: string): void
  /** Gives the directory back. Calling it again does nothing. */
  release(): void
}

/** Another start that only looks is gone within this; a gateway that runs stays. */
const busyMs = 150

/**
 * Takes the directory, and makes it when it is not there. Throws a StateHeldError when another process has it, and an
 * Error with one clear sentence when it cannot be locked.
 */
export function lockState(directory: string, version: string): StateLock {
  makeStateDirectory(directory)
  const description = descriptionPath(directory)
  const database = lockedDatabase(directory, lockPath(directory), description)
  const describe = (url: string | null): void => {
    const holder: StateHolder = { pid: process.pid, version, url, host: hostname() }
    try {
      writeFileSync(description, `${JSON.stringify(holder)}\n`, { mode: 0o600 })
    } catch {
      // It is there for people. A full disk is no reason not to serve what is stored.
    }
  }
  describe(null)
  let held = true
  return {
    announce: describe,
    release() {
      if (!held) return
      held = false
      rmSync(description, { force: true })
      database.close()
    },
  }
}

/** Throws what `lockState` would where another process has the directory. Takes the lock for a moment, where there is one. */
export function checkLock(directory: string): void {
  const path = lockPath(directory)
  if (existsSync(path)) lockedDatabase(directory, path, descriptionPath(directory)).close()
}

function lockPath(directory: string): string {
  return join(directory, 'gateway.lock')
}

function descriptionPath(directory: string): string {
  return join(directory, 'gateway.json')
}

function lockedDatabase(directory: string, path: string, description: string): Database {
  let database: Database | null = null
  try {
    // Closed before anything is locked.
    closeSync(openSync(path, 'a', 0o600))
    database = new Database(path, { readwrite: true, create: false })
    database.run(`PRAGMA busy_timeout = ${busyMs}`)
    // A journal on disk would need room there.
    database.run('PRAGMA journal_mode = MEMORY')
    // Nothing is ever written in it: the file stays empty, and the transaction open for as long as the lock is held.
    database.run('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    if (errorCode(error)?.startsWith('SQLITE_BUSY') === true)
      throw new StateHeldError(directory, readHolder(description))
    if (isDiskFull(error)) throw new Error(storageFull(directory))
    throw new Error(
      `Cannot lock ${path}: ${reasonOf(error)}. Set storage.path to a directory of your own, on a disk of this machine.`,
    )
  }
}

function readHolder(path: string): StateHolder | null {
  try {
    const holder: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return Value.Check(holderSchema, holder) ? holder : null
  } catch {
    return null
  }
}
