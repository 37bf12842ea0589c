import { closeSync, fsyncSync, openSync } from 'node:fs'

/** A new name in a directory outlives a lost power only once the directory is on disk too. Never throws. */
export function syncDirectory(directory: string): void {
  try {
    const descriptor = openSync(directory, 'r')
    try {
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  } catch {
    // Some systems do not sync directories. The change itself is made.
  }
}
