/** Where audit lines go: a file of their own, or between the lines of the log. */
import { reasonOf } from '../errors.ts'
import type { LogFields } from '../telemetry/log.ts'
import { LogFile } from '../telemetry/log-file.ts'
import { type LineSink, openSink } from '../telemetry/sink.ts'
import type { AuditLog } from './audit.ts'

export interface AuditTarget {
  /** Writes one line, an object of JSON from these members. */
  write(members: string): void
  readonly linesDropped: number
  reopen(): void
  sweep(nowMs: number): void
  /** Writes what is left within `deadlineMs`. */
  close(deadlineMs: number): Promise<void>
}

/** Who called what is nobody's business but the owner's. */
const mode = 0o600
const nowhere = -1

/** A file of its own. What cannot be written is told in the log, and in the file once that can be written again. */
export class AuditFile implements AuditTarget {
  readonly #sink: LineSink
  readonly #file: LogFile
  #dropsTold = 0

  /** Throws a ConfigError when it cannot be opened. */
  constructor(path: string, log: AuditLog) {
    const told = (error: NodeJS.ErrnoException | null): void => {
      if (error === null) {
        const fields: LogFields = { file: path, lines: this.#sink.linesDropped - this.#dropsTold }
        this.#dropsTold = this.#sink.linesDropped
        log.warn(fields, 'the audit can be written again; lines are missing')
      } else {
        const reason = error.code === 'ENOSPC' ? 'the disk is full' : reasonOf(error)
        log.error({ file: path, reason }, 'the audit cannot be written: its lines are lost, calls go on')
      }
    }
    this.#sink = openSink(nowhere, told, gapLine)
    this.#file = new LogFile(path, this.#sink, () => {}, { what: 'audit', mode })
  }

  write(members: string): void {
    this.#sink.write(`{${members}}\n`)
  }

  get linesDropped(): number {
    return this.#sink.linesDropped
  }

  reopen(): void {
    this.#file.reopen()
  }

  sweep(nowMs: number): void {
    this.#file.sweep(nowMs)
  }

  async close(deadlineMs: number): Promise<void> {
    if (await this.#sink.flush(deadlineMs)) this.#file.close()
  }
}

/** In the place of lines that are missing. */
export function gapLine(lines: number): string {
  return `{"time":"${new Date().toISOString()}","event":"gap","lines":${lines}}\n`
}

/** Lines of the log, which tells itself when it cannot be written. */
export class LogLines implements AuditTarget {
  readonly linesDropped = 0
  readonly #log: AuditLog

  constructor(log: AuditLog) {
    this.#log = log
  }

  write(members: string): void {
    this.#log.line(`{"level":"info",${members},"msg":"audit"}\n`)
  }

  reopen(): void {}

  sweep(): void {}

  async close(): Promise<void> {}
}
