/** Files that a tool returned, kept in a folder of the person's choice. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError, errorCode, systemReason } from '../../errors.ts'

/** Of types that tools return; of any other the name of the type is its ending, as in `image/webp`. */
const endings: Readonly<Record<string, string>> = {
  'application/octet-stream': 'bin',
  'audio/mpeg': 'mp3',
  'audio/x-wav': 'wav',
  'image/jpeg': 'jpg',
  'image/svg+xml': 'svg',
  'text/markdown': 'md',
  'text/plain': 'txt',
}

/** How many files of one name there may be. */
const sameNameMax = 10_000

export class SavedFiles {
  readonly #directory: string
  readonly #stem: string

  /** Files begin with `stem`. Nothing is made before there is a file to keep. */
  constructor(directory: string, stem: string) {
    this.#directory = directory
    // The name of a tool comes from a server.
    this.#stem = stem.replaceAll(/[^\w-]+/g, '_').slice(0, 64)
  }

  /** Writes a file that was not there before, and returns its path. Throws a CommandError. */
  keep(bytes: Uint8Array, mimeType: string): string {
    try {
      mkdirSync(this.#directory, { recursive: true })
      for (let number = 1; number <= sameNameMax; number++) {
        const path = join(this.#directory, `${this.#stem}-${number}.${endingOf(mimeType)}`)
        if (written(path, bytes)) return path
      }
    } catch (thrown) {
      throw new CommandError(`cannot save to ${this.#directory}: ${systemReason(thrown)}`)
    }
    throw new CommandError(`cannot save to ${this.#directory}: it is full of files of this name`)
  }
}

/** False where there is such a file. */
function written(path: string, bytes: Uint8Array): boolean {
  try {
    writeFileSync(path, bytes, { flag: 'wx' })
    return true
  } catch (thrown) {
    if (errorCode(thrown) === 'EEXIST') return false
    throw thrown
  }
}

function endingOf(mimeType: string): string {
  const [type = ''] = mimeType.toLowerCase().split(';', 1)
  return endings[type.trim()] ?? /\/([a-z0-9]{1,10})$/.exec(type.trim())?.[1] ?? 'bin'
}
