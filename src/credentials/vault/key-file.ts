/**
 * The key file: made when something is sealed for the first time, readable by its owner alone, never changed where it
 * lies. Several processes may share one: it is read again where a row names a key that is not known yet.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { errorCode, systemReason } from '../../errors.ts'
import { syncDirectory } from '../../runtime/sync-directory.ts'
import { makeSealingKey, type SealingKey } from './sealing-key.ts'
import { keysIn, locked, type SealingKeys } from './sealing-keys.ts'

const fileBytesMax = 4 * 1024
const mode = 0o600
const othersMode = 0o077
const head =
  '# Stored credentials are sealed with the first of these keys. Keep it apart from copies of them.\n'

/** The keys in the file at this path. */
export function keyFile(path: string): SealingKeys {
  const place = `the key file ${path} (secrets.key_file)`
  const read = (): readonly SealingKey[] => {
    const text = textOf(path, place)
    if (text === null) return []
    const keys = keysIn(text, place)
    if (keys.length === 0) throw locked(`${place} holds no key; put back the one that it held`)
    return keys
  }
  return {
    place,
    read,
    make() {
      const key = makeSealingKey()
      write(path, [key], place, (next) => {
        try {
          // Of several that begin at once one wins, and all read the key of that one.
          linkSync(next, path)
        } catch (thrown) {
          if (errorCode(thrown) !== 'EEXIST') throw thrown
        }
        rmSync(next)
      })
      return read()
    },
    replace: (keys) => write(path, keys, place, (next) => renameSync(next, path)),
  }
}

/** Null where there is no such file. */
function textOf(path: string, place: string): string | null {
  let file: number
  try {
    // A pipe without a writer would hold up whatever this process does.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return null
    throw locked(`${place} cannot be read: ${systemReason(thrown)}`)
  }
  try {
    const facts = fstatSync(file)
    if (!facts.isFile()) throw locked(`${place} is no file`)
    if (process.platform !== 'win32' && (facts.mode & othersMode) !== 0)
      throw locked(
        `${place} can be read by others (mode ${(facts.mode & 0o777).toString(8)}); make it yours alone: chmod 600 ${path}`,
      )
    const bytes = Buffer.alloc(fileBytesMax + 1)
    const length = readSync(file, bytes, 0, bytes.length, 0)
    if (length > fileBytesMax) throw locked(`${place} is larger than ${fileBytesMax} bytes`)
    return bytes.toString('utf8', 0, length)
  } finally {
    closeSync(file)
  }
}

/** A whole new file, on disk before it takes its place. */
function write(
  path: string,
  keys: readonly SealingKey[],
  place: string,
  putInPlace: (next: string) => void,
): void {
  const next = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const file = openSync(next, 'wx', mode)
    try {
      writeSync(file, `${head}${keys.map(({ text }) => `${text}\n`).join('')}`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    putInPlace(next)
    syncDirectory(dirname(path))
  } catch (thrown) {
    rmSync(next, { force: true })
    throw locked(`${place} cannot be written: ${systemReason(thrown)}`)
  }
}
