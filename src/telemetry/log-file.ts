/**
 * The log in a file. It is opened again when somebody asks, and when it was moved away, as logrotate does; that it
 * cannot be is said on stderr, and never a reason to stop.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  type Stats,
  stat,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { ConfigError, errorCode, reasonOf } from '../errors.ts'
import { complain, type LineSink } from './sink.ts'

/** Not blocking: a named pipe that nobody reads is refused instead of waited for. */
const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK
/** What such a file is for, and who may read it. */
export interface FileUse {
  readonly what: string
  readonly mode: number
}

/** For the user of the gateway and its group, who may collect logs. */
const logUse: FileUse = { what: 'log', mode: 0o640 }

/** How often it is looked whether the path still leads to the open file. */
const lookEveryMs = 1_000

interface OpenFile {
  readonly fd: number
  readonly stats: Stats
}

/** Throws a ConfigError of one line. */
function open(path: string, { what, mode }: FileUse): OpenFile {
  try {
    const fd = openSync(path, flags, mode)
    return { fd, stats: fstatSync(fd) }
  } catch (error) {
    throw new ConfigError(`cannot open the ${what} file ${path}: ${whyNot(error)}`)
  }
}

/** What the start would say of such a file there, as far as it can be told without making one; null for nothing. */
export function logFileFault(path: string, what = 'log'): string | null {
  try {
    const there = existsSync(path)
    accessSync(there ? path : dirname(path), constants.W_OK)
    return there && statSync(path).isDirectory()
      ? `cannot open the ${what} file ${path}: it is a directory`
      : null
  } catch (error) {
    return `cannot open the ${what} file ${path}: ${whyNot(error)}`
  }
}

function whyNot(error: unknown): string {
  switch (errorCode(error)) {
    case 'ENOENT':
      return 'there is no such directory; make it first'
    case 'EACCES':
    case 'EPERM':
      return 'permission denied; give the user of the gateway the right to write there'
    case 'EISDIR':
      return 'it is a directory'
    case 'ENXIO':
      return 'it is a pipe that nobody reads'
    case 'ENOSPC':
      return 'the disk is full'
    default:
      return reasonOf(error)
  }
}

export class LogFile {
  readonly path: string
  readonly #sink: LineSink
  readonly #use: FileUse
  /** Null once it is closed. */
  #file: OpenFile | null
  #lookAtMs = 0
  #failed = false

  /** Sends what comes to `sink` into the file from here on; `left` as of the sink. Throws a ConfigError. */
  constructor(path: string, sink: LineSink, left: () => void, use: FileUse = logUse) {
    this.path = path
    this.#sink = sink
    this.#use = use
    this.#file = open(path, use)
    sink.redirect(this.#file.fd, left)
  }

  /** Opens the path again. Where that fails the old file is kept, and stderr says so once. */
  reopen(): void {
    const before = this.#file
    if (before === null) return
    try {
      this.#file = open(this.path, this.#use)
      this.#failed = false
    } catch (error) {
      if (!this.#failed)
        complain(`${reasonOf(error)}; the ${this.#use.what} goes on in the file that was open before`)
      this.#failed = true
      return
    }
    this.#sink.redirect(this.#file.fd, () => closeSync(before.fd))
  }

  /** Opens the path again when it leads to another file, or to none. */
  sweep(nowMs: number): void {
    if (nowMs < this.#lookAtMs) return
    this.#lookAtMs = nowMs + lookEveryMs
    stat(this.path, (error, found) => {
      const open = this.#file?.stats
      if (open === undefined) return
      const moved = error === null && (found.dev !== open.dev || found.ino !== open.ino)
      if (moved || error?.code === 'ENOENT') this.reopen()
    })
  }

  /** Not before the sink has left it. */
  close(): void {
    if (this.#file !== null) closeSync(this.#file.fd)
    this.#file = null
  }
}
