/**
 * The access log line, built by hand.
 *
 * One line per request makes this the hottest part of the log: measured 0.6 µs against pino's 6 to
 * 10 µs. Field names and order are those of pino's lines, so that readers see one format.
 */
import type { LogLevel } from './log.ts'
import { printableJson } from './printable.ts'

export interface AccessEntry {
  readonly method: string
  /** Without the query string, which may hold secrets. */
  readonly path: string
  readonly status: number
  /** When the answer's head was known, in milliseconds since the epoch. */
  readonly atMs: number
  /** From the request's arrival to its response head; the whole exchange unless `stream`. */
  readonly durationMs: number
  readonly clientIp: string | null
  readonly requestId: string
  /** The answer is an event stream and may go on. */
  readonly stream: boolean
  /** Catalogue code of a refusal. */
  readonly code?: string | undefined
  readonly mcp?: string | undefined
  readonly rpcMethod?: string | undefined
  readonly tool?: string | undefined
  readonly sessionId?: string | undefined
  readonly pair?: string | undefined
}

/** Client-made texts are cut here, so that one request cannot write a 16 KB line. */
const textMax = 256

/** Our own failures are errors; a 503 is a state that passes, so it warns. Clients' mistakes are their own. */
export function accessLevel(status: number): LogLevel {
  if (status < 500) return 'info'
  return status === 503 ? 'warn' : 'error'
}

/**
 * Makes lines, with their line break; `time` is ISO 8601. It remembers the parts that the line before had as
 * well, because a busy gateway answers the same few calls again and again.
 */
export function accessFormatter(): (entry: AccessEntry, time: string) => string {
  let last: AccessEntry | null = null
  let level = ''
  let target = ''
  let call = ''
  return (entry, time) => {
    if (last?.status !== entry.status || last.path !== entry.path || last.method !== entry.method) {
      level = `{"level":"${accessLevel(entry.status)}","time":"`
      target = flat(
        `","method":${quote(entry.method)},"path":${quote(entry.path)},"status":${entry.status},"durationMs":`,
      )
    }
    if (last?.tool !== entry.tool || last?.rpcMethod !== entry.rpcMethod || last?.mcp !== entry.mcp)
      call = flat(field('mcp', entry.mcp) + field('rpcMethod', entry.rpcMethod) + field('tool', entry.tool))
    last = entry
    const durationMs = Math.round(entry.durationMs * 1000) / 1000
    const client = entry.clientIp === null ? 'null' : `"${entry.clientIp}"`
    let line = `${level}${time}${target}${durationMs},"clientIp":${client},"requestId":"${entry.requestId}"`
    if (entry.stream) line += ',"stream":true'
    if (entry.code !== undefined) line += `,"code":"${entry.code}"`
    line += call
    if (entry.sessionId !== undefined) line += `,"sessionId":"${entry.sessionId}"`
    if (entry.pair !== undefined) line += `,"pair":"${entry.pair}"`
    return `${line},"msg":"request"}\n`
  }
}

function field(name: string, text: string | undefined): string {
  return text === undefined ? '' : `,"${name}":${quote(text)}`
}

/** A joined string is kept as a tree of its parts until somebody reads it: read once here, not in every line. */
function flat(text: string): string {
  text.charCodeAt(0)
  return text
}

/** Most texts are plain words, and a test for that costs a fraction of the full escaping. */
const plain = /^[\w./:-]*$/

function quote(text: string): string {
  if (text.length <= textMax && plain.test(text)) return `"${text}"`
  return printableJson(JSON.stringify(text.length > textMax ? `${text.slice(0, textMax)}…` : text))
}
