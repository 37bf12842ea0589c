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
import { type LogFields, type LogSettings, levelRank, type RelayingLog } from './log.ts'
import type { LogFile } from './log-file.ts'
import { printableJson } from './printable.ts'
import { type LineSink, openSink, reportWrites } from './sink.ts'

export type LogOptions = LogSettings & {
  /** Stands for standard output. */
  readonly sink?: LineSink
}

const standardOutput = 1

/**
 * Opens the log. Asynchronous because the pretty printer and the log file are loaded when they are asked for. Rejects
 * with a ConfigError when the file cannot be opened.
 */
export async function createLog(options: LogOptions): Promise<RelayingLog> {
  const sink = options.sink ?? openSink(standardOutput, reportWrites)
  let pretty: Printer | null = null
  let file: LogFile | null = null
  const emit = (line: string) => sink.write(pretty ? pretty(line) : line)
  const isoTime = isoFormatter()
  const accessLines = new AccessLines()
  const logger = pino(
    {
      base: null,
      // Worker-thread transports crash in the compiled executable, so pino writes to us directly.
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${isoTime(Date.now())}"`,
    },
    { write: (line: string) => emit(printableJson(line)) },
  )
  let lowest = 0
  const take = async (settings: LogSettings): Promise<void> => {
    const path = settings.file ?? null
    const printer = settings.format === 'pretty' ? await prettyPrinter(path === null) : null
    if (path !== (file?.path ?? null)) {
      const before = file
      const left = () => before?.close()
      if (path === null) sink.redirect(standardOutput, left)
      file = path === null ? null : await openLogFile(path, sink, left)
    }
    pretty = printer
    lowest = levelRank[settings.level]
    logger.level = settings.level
  }
  await take(options)
  return {
    take,
    reopen: () => file?.reopen(),
    sweep: (nowMs) => file?.sweep(nowMs),
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
    line(text: string) {
      sink.write(text)
    },
    relay(lines: Buffer) {
      const printer = pretty
      if (printer !== null)
        sink.write(lines.toString('utf8').replace(/.+\n/g, (line) => printed(printer, line)))
      else {
        // As they are: making texts of them would cost as much as writing them has.
        const room = sink.room(lines.length)
        room?.filled(room.start + lines.copy(room.buffer, room.start))
      }
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

async function openLogFile(path: string, sink: LineSink, left: () => void): Promise<LogFile> {
  const { LogFile } = await import('./log-file.ts')
  return new LogFile(path, sink, left)
}

type Printer = (line: string) => string

/** What is no JSON is what a process says that breaks off. */
function printed(printer: Printer, line: string): string {
  try {
    return printer(line)
  } catch {
    return line
  }
}

async function prettyPrinter(forTerminal: boolean): Promise<Printer> {
  const { createPrinter, standardOutputAsTerminal } = await import('./pretty-line.ts')
  return createPrinter(forTerminal ? standardOutputAsTerminal(process.env) : null)
}

/**
 * A formatter of wall-clock milliseconds as ISO 8601 in UTC. It keeps the text up to the second,
 * because `toISOString` for every line costs ten times as much, and the last text: lines of one millisecond share it.
 */
export function isoFormatter(): (nowMs: number) => string {
  let secondMs = -1
  let prefix = ''
  let lastMs = -1
  let last = ''
  return (nowMs) => {
    if (nowMs === lastMs) return last
    lastMs = nowMs
    const ms = nowMs % 1000
    if (nowMs - ms !== secondMs) {
      secondMs = nowMs - ms
      prefix = new Date(secondMs).toISOString().slice(0, 20)
    }
    last = `${prefix}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
    return last
  }
}
