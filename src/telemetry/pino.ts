/** The log of the process: pino for what happens, a hand-built line for each request, one sink for both. */
import { pino } from 'pino'
import { type AccessEntry, accessFormatter, accessLevel } from './access-line.ts'
import { AccessQueue } from './access-queue.ts'
import { isoFormatter } from './iso-time.ts'
import type { LogFields, LogFormat, LogThreshold, ProcessLog } from './log.ts'
import { printableJson } from './printable.ts'
import { type LineSink, openSink } from './sink.ts'

export interface LogOptions {
  readonly level: LogThreshold
  /** `json`: one object a line. `pretty`: for people at a terminal. */
  readonly format: LogFormat
  /** Defaults to standard output. */
  readonly sink?: LineSink
}

const rank: Readonly<Record<LogThreshold, number>> = { debug: 20, info: 30, warn: 40, error: 50, silent: 60 }

/** Opens the log. Asynchronous only because the pretty printer is loaded when it is asked for. */
export async function createLog(options: LogOptions): Promise<ProcessLog> {
  const sink = options.sink ?? openSink(1)
  const emit = options.format === 'pretty' ? await prettyEmitter(sink) : (line: string) => sink.write(line)
  const isoTime = isoFormatter()
  const accessLine = accessFormatter()
  const accesses = new AccessQueue((entries) => {
    for (const entry of entries) emit(accessLine(entry, isoTime(entry.atMs)))
  })
  const logger = pino(
    {
      level: options.level,
      base: null,
      // Worker-thread transports crash in the compiled executable, so pino writes to us directly.
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${isoTime(Date.now())}"`,
    },
    {
      write(line: string) {
        accesses.drain()
        emit(printableJson(line))
      },
    },
  )
  const lowest = rank[options.level]
  return {
    debug: (fields: LogFields, message: string) => logger.debug(fields, message),
    info: (fields: LogFields, message: string) => logger.info(fields, message),
    warn: (fields: LogFields, message: string) => logger.warn(fields, message),
    error: (fields: LogFields, message: string) => logger.error(fields, message),
    access(entry: AccessEntry) {
      if (rank[accessLevel(entry.status)] >= lowest) accesses.add(entry)
    },
    get linesDropped() {
      return sink.linesDropped
    },
    async flush(deadlineMs) {
      accesses.drain()
      await sink.flush(deadlineMs)
    },
  }
}

async function prettyEmitter(sink: LineSink): Promise<(line: string) => void> {
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({
    colorize: process.stdout.isTTY === true,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
  // Once more: the printer has read the escapes back into characters.
  return (line) => sink.write(printableJson(pretty(line)))
}
