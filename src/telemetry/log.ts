/** The log as the other rooms see it. `telemetry/pino.ts` writes it. */
import type { AccessEntry, CallEntry } from './access-line.ts'

/** Known fields only: objects are built from named values, never by spreading a request or a config. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** The least level that is written; `silent` writes nothing. */
export type LogThreshold = LogLevel | 'silent'

/** What is less than the threshold is not written. */
export const levelRank: Readonly<Record<LogThreshold, number>> = {
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  silent: 60,
}

export type LogFormat = 'json' | 'pretty'

export interface LogSettings {
  readonly level: LogThreshold
  /** `json`: one object a line. `pretty`: for people at a terminal. */
  readonly format: LogFormat
  /** Path of the log file; standard output without one. */
  readonly file?: string | null
}

export interface Log {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  /** True while debug lines are written: what is dear to say is asked first. Absent counts as false. */
  readonly debugging?: boolean
}

/** The same log, with these fields in each of its lines. */
export function logWith(log: Log, always: LogFields): Log {
  const line = (level: LogLevel) => (fields: LogFields, message: string) =>
    log[level]({ ...fields, ...always }, message)
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    get debugging() {
      return log.debugging === true
    },
  }
}

/** The log of the whole process, with what only the composition root and the listener need. */
export interface ProcessLog extends Log {
  /** One line for one finished request. */
  access(entry: AccessEntry): void
  /** One line for one call that went on behind its response, or had none of its own. */
  call(entry: CallEntry): void
  /** Writes a whole line as it is, whatever the level is. */
  line(text: string): void
  /** Lines given up because the reader of the log was too slow. */
  readonly linesDropped: number
  /** Goes on as these settings say. Rejects with a ConfigError, and changes nothing, when the file cannot be opened. */
  take(settings: LogSettings): Promise<void>
  /** Opens the log file again, which may have been moved away. */
  reopen(): void
  /** Time's passing: whether the log file was moved away. */
  sweep(nowMs: number): void
  /** Writes what is buffered; gives up after `deadlineMs` when nobody reads. */
  flush(deadlineMs: number): Promise<void>
}

/** The log of a process that writes down the lines of others as well. */
export interface RelayingLog extends ProcessLog {
  /** Takes whole lines of JSON, as another process would have written them to its standard output. */
  relay(lines: Buffer): void
}
