/**
 * When each key was used last. Kept beside the definitions, in a file that is written at most once a minute and never
 * waited for: it tells people which keys nobody uses, and nothing hangs on it.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { reasonOf } from '../../errors.ts'
import { isObject } from '../../protocol/json.ts'
import type { Log } from '../../telemetry/log.ts'
import type { KeyEntry } from './held-key.ts'

type Entries = ReadonlyMap<string, KeyEntry>

const fileName = 'key-use.json'
/** Between two writes. */
const pauseMs = 60_000
const mode = 0o600

export class LastUse {
  readonly #path: string | null
  readonly #log: Log
  /** What the file said of keys that were not there yet when it was read. */
  #read: Readonly<Record<string, unknown>> | null = null
  #dirty = false
  #writing = false
  /** Monotonic. */
  #writtenAtMs = Number.NEGATIVE_INFINITY

  /** @param directory the state directory; null where nothing is kept. */
  constructor(directory: string | null, log: Log) {
    this.#path = directory === null ? null : join(directory, fileName)
    this.#log = log
  }

  /** Notes that a key is used now. */
  used(entry: KeyEntry): void {
    entry.lastUsedAtMs = Date.now()
    this.#dirty = true
  }

  /** Tells those of whom nothing is known here what the file says. */
  remember(entries: Entries): void {
    if (entries.size === 0) return
    this.#read ??= this.#readFile()
    for (const [id, entry] of entries) {
      const said = this.#read[id]
      const ms = typeof said === 'string' ? Date.parse(said) : Number.NaN
      if (entry.lastUsedAtMs === null && !Number.isNaN(ms)) entry.lastUsedAtMs = ms
    }
  }

  /** Writes what has changed, when it is time. `nowMs` is monotonic. */
  sweep(nowMs: number, entries: Entries): void {
    if (!this.#dirty || this.#writing || this.#path === null || nowMs - this.#writtenAtMs < pauseMs) return
    this.#writtenAtMs = nowMs
    this.#dirty = false
    this.#writing = true
    const path = this.#path
    // Workers of one gateway write it in turns, each what it knows.
    const next = `${path}.${process.pid}.new`
    this.#read = this.#readFile()
    this.#takeLater(entries)
    void writeFile(next, textOf(entries), { mode })
      .then(() => rename(next, path))
      .catch(async (thrown: unknown) => {
        this.#log.warn({ reason: reasonOf(thrown) }, 'the last use of keys could not be kept')
        await rm(next, { force: true }).catch(() => {})
      })
      .finally(() => {
        this.#writing = false
      })
  }

  /** The same at once, at the end. */
  close(entries: Entries): void {
    if (!this.#dirty || this.#path === null) return
    this.#dirty = false
    const next = `${this.#path}.${process.pid}.end`
    this.#read = this.#readFile()
    this.#takeLater(entries)
    try {
      writeFileSync(next, textOf(entries), { mode })
      renameSync(next, this.#path)
    } catch {
      rmSync(next, { force: true })
    }
  }

  /** Where somebody else has seen a key later than this process has. */
  #takeLater(entries: Entries): void {
    for (const [id, entry] of entries) {
      const said = this.#read?.[id]
      const ms = typeof said === 'string' ? Date.parse(said) : Number.NaN
      if (ms > (entry.lastUsedAtMs ?? Number.NEGATIVE_INFINITY)) entry.lastUsedAtMs = ms
    }
  }

  #readFile(): Readonly<Record<string, unknown>> {
    if (this.#path === null) return {}
    try {
      const said: unknown = JSON.parse(readFileSync(this.#path, 'utf8'))
      return isObject(said) ? said : {}
    } catch {
      return {}
    }
  }
}

function textOf(entries: Entries): string {
  const times = [...entries].flatMap(([id, { lastUsedAtMs }]) =>
    lastUsedAtMs === null ? [] : [[id, new Date(lastUsedAtMs).toISOString()] as const],
  )
  return `${JSON.stringify(Object.fromEntries(times), null, 1)}\n`
}
