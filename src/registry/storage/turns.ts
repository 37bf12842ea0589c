/**
 * Whose turn it is among the workers of one gateway that change the definitions file.
 *
 * The lock is the kernel's, as that of the state directory (state-lock.ts), and ends with the process that holds it.
 */
import { Database } from 'bun:sqlite'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, reasonOf } from '../../errors.ts'
import { makeStateDirectory } from './definitions-file.ts'
import type { Turns } from './sqlite.ts'
import { StoreError } from './store.ts'

/** A change takes milliseconds, and a disk that is slow some more. */
const busyMs = 5_000

/**
 * Opens the lock of this directory; `runDirectory` is that of this run of the gateway, and `changed` is called after each
 * change that was made here. Throws an Error of one clear sentence.
 */
export function openTurns(directory: string, runDirectory: string, changed: () => void): Turns {
  makeStateDirectory(directory)
  const written = join(runDirectory, 'written')
  const path = join(directory, 'definitions.lock')
  // Closed before anything is locked: a process that closes any descriptor of a file gives up its locks on it.
  closeSync(openSync(path, 'a', 0o600))
  const database = new Database(path, { readwrite: true, create: false })
  database.run(`PRAGMA busy_timeout = ${busyMs}`)
  database.run('PRAGMA journal_mode = MEMORY')
  let mine = false
  return {
    take(work) {
      // Work that changes something because of a change has the turn already.
      if (mine) return work()
      try {
        database.run('BEGIN EXCLUSIVE')
      } catch (error) {
        throw new StoreError('STORE_UNAVAILABLE', unlockable(path, error))
      }
      mine = true
      try {
        return work()
      } finally {
        mine = false
        database.run('ROLLBACK')
      }
    },
    isOurs(digest) {
      try {
        return readFileSync(written, 'utf8').split(' ').includes(digest)
      } catch {
        // Nobody has written anything in this run.
        return false
      }
    },
    writes: (...digests) => writeFileSync(written, digests.join(' '), { mode: 0o600 }),
    changed,
  }
}

function unlockable(path: string, error: unknown): string {
  return errorCode(error)?.startsWith('SQLITE_BUSY') === true
    ? `${path} has been locked for ${busyMs / 1_000} s by another worker. Try again.`
    : `${path} cannot be locked: ${reasonOf(error)}.`
}
