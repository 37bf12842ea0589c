/** Reads a secret that lives in a file of its own, as Kubernetes and Docker mount them. */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { isAbsolute, normalize, sep } from 'node:path'
import { errorCode, systemReason } from '../../errors.ts'

/** Why a secret cannot be had: half a sentence that fits behind its place, never with a word of what it holds. */
export class SecretFault extends Error {}

/** What the value of a variable may be at most. */
const secretBytesMax = 64 * 1024
/** What the authorities of a whole system take several times. */
export const bundleBytesMax = 1024 * 1024

/** A directory of Kubernetes is exchanged in one step; whoever reads in that moment reads again. */
const triesMax = 3

/**
 * The text of a file without one line break at its end. Throws a SecretFault.
 *
 * @param dirs directories below one of which it must lie, whatever links lead to it; null for anywhere.
 */
export function readSecretFile(
  path: string,
  dirs: readonly string[] | null,
  bytesMax = secretBytesMax,
): string {
  if (!isAbsolute(path)) throw new SecretFault(`${shown(path)} must be an absolute path`)
  if (dirs !== null) checkPath(path, dirs)
  const bytes = bytesOf(path, dirs, bytesMax)
  const text = decoded(bytes, path).replace(/\r?\n$/, '')
  if (text === '') throw new SecretFault(`the file ${shown(path)} is empty; write the secret into it`)
  if (text.includes('\0')) throw new SecretFault(`the file ${shown(path)} holds NUL, and is no text`)
  return text
}

/** As it is written; where it leads is judged of the open file. */
function checkPath(path: string, dirs: readonly string[]): void {
  if (dirs.length === 0)
    throw new SecretFault(
      'names a file, which over the admin API takes a directory in secrets.dirs (none is set); set that, or define the server in the configuration file',
    )
  if (normalize(path) !== path || !dirs.some((dir) => isBelow(path, dir))) throw outside(path)
}

function outside(path: string): SecretFault {
  return new SecretFault(
    `${shown(path)} does not lie in one of the directories of secrets.dirs; name a file below one of them`,
  )
}

function isBelow(path: string, dir: string): boolean {
  const parent = dir.endsWith(sep) ? dir : `${dir}${sep}`
  return path.startsWith(parent) && path.length > parent.length
}

function bytesOf(path: string, dirs: readonly string[] | null, bytesMax: number): Uint8Array {
  for (let tries = 1; ; tries++) {
    const file = opened(path)
    try {
      if (dirs === null || liesBelow(file, path, dirs)) return read(file, path, bytesMax)
    } finally {
      closeSync(file)
    }
    if (tries === triesMax) throw outside(path)
  }
}

function opened(path: string): number {
  try {
    // A pipe would be waited for.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (thrown) {
    throw unreadable(path, thrown)
  }
}

/** Judged by where the file lies that is open, and not by its name, which may lead elsewhere a moment later. */
function liesBelow(file: number, path: string, dirs: readonly string[]): boolean {
  const place = placeOf(file, path)
  return place !== null && dirs.some((dir) => isBelow(place, realPath(dir)))
}

/** Null where that is not known, and for a file that is gone by now. */
function placeOf(file: number, path: string): string | null {
  try {
    if (process.platform === 'linux') return readlinkSync(`/proc/self/fd/${file}`)
    const place = realpathSync(path)
    const [found, open] = [statSync(place, { bigint: true }), fstatSync(file, { bigint: true })]
    return found.dev === open.dev && found.ino === open.ino ? place : null
  } catch {
    return null
  }
}

function realPath(dir: string): string {
  try {
    return realpathSync(dir)
  } catch {
    return dir
  }
}

function read(file: number, path: string, bytesMax: number): Uint8Array {
  try {
    if (!fstatSync(file).isFile()) throw new SecretFault(`${shown(path)} is no file; name the file itself`)
    // One more than there may be: the size that the system tells of some files is none.
    const bytes = new Uint8Array(bytesMax + 1)
    let length = 0
    for (let got = -1; got !== 0 && length < bytes.length; length += got)
      got = readSync(file, bytes, length, bytes.length - length, null)
    if (length > bytesMax) throw new SecretFault(`the file ${shown(path)} is larger than ${bytesMax} bytes`)
    return bytes.subarray(0, length)
  } catch (thrown) {
    throw thrown instanceof SecretFault ? thrown : unreadable(path, thrown)
  }
}

function decoded(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new SecretFault(`the file ${shown(path)} is no UTF-8 text`)
  }
}

function unreadable(path: string, thrown: unknown): SecretFault {
  const why =
    errorCode(thrown) === 'ENOENT'
      ? 'there is no such file; mount it, or correct the path'
      : errorCode(thrown) === 'EACCES'
        ? 'the gateway may not read it; look at its owner and mode'
        : systemReason(thrown)
  return new SecretFault(`cannot read ${shown(path)}: ${why}`)
}

function shown(path: string): string {
  return path.length > 300 ? `${path.slice(0, 300)}…` : path
}
