/** The log of the process: pino for what happens, a hand-built line for each request, one sink for both. */
import { pino } from 'pino'
import {
  type AccessEntry,
  AccessLines,
  accessLevel,
  accessLineBytesMax,
  type CallEntry,
  callLevel,
} from './access-line.ts'
import { type LogFields, type LogFormat, type LogThreshold, levelRank, type ProcessLog } from './log.ts'
import { printableJson } from './printable.ts'
import { type LineSink, openSink } from './sink.ts'

export interface LogOptions {
  readonly level: LogThreshold
  /** `json`: one object a line. `pretty`: for people at a terminal. */
  readonly format: LogFormat
  /** Defaults to standard output. */
  readonly sink?: LineSink
}

/** Opens the log. Asynchronous only because the pretty printer is loaded when it is asked for. */
export async function createLog(options: LogOptions): Promise<ProcessLog> {
  const sink = options.sink ?? openSink(1)
  const pretty = options.format === 'pretty' ? await prettyPrinter() : null
  const emit = (line: string) => sink.write(pretty ? pretty(line) : line)
  const isoTime = isoFormatter()
  const accessLines = new AccessLines()
  const logger = pino(
    {
      level: options.level,
      base: null,
      // Worker-thread transports crash in the compiled executable, so pino writes to us directly.
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${isoTime(Date.now())}"`,
    },
    { write: (line: string) => emit(printableJson(line)) },
  )
  const lowest = levelRank[options.level]
  return {
    debug: (fields: LogFields, message: string) => logger.debug(fields, message),
    info: (fields: LogFields, message: string) => logger.info(fields, message),
    warn: (fields: LogFields, message: string) => logger.warn(fields, message),
    error: (fields: LogFields, message: string) => logger.error(fields, message),
    access(entry: AccessEntry) {
      if (levelRank[accessLevel(entry)] < lowest) return
      if (pretty) emit(accessLines.text(entry, isoTime(Date.now())))
      else {
        const room = sink.room(accessLineBytesMax)
        room?.filled(accessLines.write(entry, isoTime(Date.now()), room.buffer, room.start))
      }
    },
    call(entry: CallEntry) {
      logger[callLevel(entry.outcome)](entry, 'call')
    },
    get debugging() {
      return lowest <= levelRank.debug
    },
    get linesDropped() {
      return sink.linesDropped
    },
    async flush(deadlineMs) {
      await sink.flush(deadlineMs)
    },
  }
}

async function prettyPrinter(): Promise<(line: string) => string> {
  const { createPrinter, standardOutputAsTerminal } = await import('./pretty-line.ts')
  return createPrinter(standardOutputAsTerminal(process.env))
}

/**
 * A formatter of wall-clock milliseconds as ISO 8601 in UTC. It keeps the text up to the second,
 * because `toISOString` for every line costs ten times as much.
 */
export function isoFormatter(): (nowMs: number) => string {
  let secondMs = -1
  let prefix = ''
  return (nowMs) => {
    const ms = nowMs % 1000
    if (nowMs - ms !== secondMs) {
      secondMs = nowMs - ms
      prefix = new Date(secondMs).toISOString().slice(0, 20)
    }
    return `${prefix}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
  }
}
