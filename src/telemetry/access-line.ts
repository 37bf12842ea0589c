/**
 * The access log line, built by hand and as bytes.
 *
 * One line per request makes this the hottest part of the log. Strings would be allocated, joined, and read again
 * long after they have left the processor's caches, which costs several times what writing the bytes down at
 * once does. Field names and order are those of pino's lines, so that readers see one format.
 */
import type { CallOutcome } from './call-ending.ts'
import type { LogLevel } from './log.ts'
import { printableJson } from './printable.ts'

/** What is told of a call, with the line of its request or in one of its own. */
export interface CallEntry {
  /** From the request's arrival to its response head, in a line of the call's own to its end. */
  readonly durationMs: number
  readonly clientIp: string | null
  readonly requestId: string
  /** Catalogue code of what was refused, or has failed. */
  readonly code?: string | undefined
  readonly mcp?: string | undefined
  /** The group by which it came. */
  readonly group?: string | undefined
  readonly rpcMethod?: string | undefined
  readonly tool?: string | undefined
  /** Undefined while the call goes on behind the response. */
  readonly outcome?: CallOutcome | undefined
  /** The code of a JSON-RPC error that is none of the catalogue's. */
  readonly rpcCode?: number | undefined
  /** The principal as a text, `callerOf`. */
  readonly caller?: string | undefined
  /** What the client calls itself, `clientOf`. */
  readonly client?: string | undefined
  readonly sessionId?: string | undefined
  readonly pair?: string | undefined
  /** Of its trace, where there is one. */
  readonly traceId?: string | undefined
}

export interface AccessEntry extends CallEntry {
  readonly method: string
  /** Without the query string, which may hold secrets. */
  readonly path: string
  readonly status: number
  /** The answer is an event stream and may go on. */
  readonly stream: boolean
  /** Somebody looks every few seconds whether the gateway is there. */
  readonly probe?: boolean
}

/** Client-made texts are cut here, so that one request cannot write a 16 KB line. */
const textMax = 256

/** Six such texts, each character as an escape of six bytes, and the rest of the line. */
export const accessLineBytesMax = 6 * 6 * (textMax + 1) + 1024

/**
 * Our own failures are errors; a 503 is a state that passes, and a call that failed is its server's affair, so they
 * warn. What a tool or a server answers, and clients' mistakes, are the daily business of agents.
 */
export function accessLevel({
  status,
  outcome,
  probe,
}: Pick<AccessEntry, 'status' | 'outcome' | 'probe'>): LogLevel {
  if (probe === true && (status < 400 || status === 503)) return 'debug'
  if (status >= 500) return status === 503 ? 'warn' : 'error'
  return callLevel(outcome)
}

/** The level of a line that a call has for itself. */
export function callLevel(outcome: CallOutcome | undefined): LogLevel {
  return outcome === 'failed' ? 'warn' : 'info'
}

/** Remembers parts of lines: a busy gateway answers the same few clients and calls again and again. */
export class AccessLines {
  #last: AccessEntry | null = null
  #time = ''
  #head = none
  /** Where the time stands in it. */
  #timeAt = 0
  #client = none
  #call = none
  readonly #senders = new Senders()

  /**
   * Writes the line of an entry, with its line break; returns where it ends. There must be room for
   * `accessLineBytesMax`. `time` is ISO 8601 and, as the entry's own ids are, ASCII.
   */
  write(entry: AccessEntry, time: string, buffer: Buffer, start: number): number {
    this.#remember(entry, time)
    let at = copy(this.#head, buffer, start)
    at = writeMs(entry.durationMs, buffer, at)
    at = copy(this.#client, buffer, at)
    at = writeAscii(entry.requestId, buffer, at)
    if (entry.traceId !== undefined) at = writeAscii(`","traceId":"${entry.traceId}`, buffer, at)
    at = copy(this.#call, buffer, at)
    return copy(this.#senders.of(entry), buffer, at)
  }

  /** The same line as a text. */
  text(entry: AccessEntry, time: string): string {
    const buffer = Buffer.allocUnsafe(accessLineBytesMax)
    return buffer.toString('utf8', 0, this.write(entry, time, buffer, 0))
  }

  #remember(entry: AccessEntry, time: string): void {
    const last = this.#last
    this.#last = entry
    if (
      last === null ||
      last.status !== entry.status ||
      last.outcome !== entry.outcome ||
      last.probe !== entry.probe ||
      last.path !== entry.path ||
      last.method !== entry.method
    ) {
      const level = `{"level":"${accessLevel(entry)}","time":"`
      const target = `","method":${quote(entry.method)},"path":${quote(entry.path)},"status":${entry.status}`
      this.#head = Buffer.from(`${level}${time}${target},"durationMs":`)
      this.#timeAt = level.length
      this.#time = time
    } else if (this.#time !== time) {
      // As long as the one before: only its digits change.
      writeAscii(time, this.#head, this.#timeAt)
      this.#time = time
    }
    if (last === null || last.clientIp !== entry.clientIp) {
      const client = entry.clientIp === null ? 'null' : `"${entry.clientIp}"`
      this.#client = Buffer.from(`,"clientIp":${client},"requestId":"`)
    }
    if (
      last === null ||
      last.stream !== entry.stream ||
      last.code !== entry.code ||
      last.tool !== entry.tool ||
      last.rpcMethod !== entry.rpcMethod ||
      last.mcp !== entry.mcp ||
      last.group !== entry.group ||
      last.outcome !== entry.outcome ||
      last.rpcCode !== entry.rpcCode
    )
      this.#call = Buffer.from(callFields(entry))
  }
}

/** From behind the request id on. */
function callFields(entry: AccessEntry): string {
  const { stream, code, mcp, group, rpcMethod, tool, outcome, rpcCode } = entry
  return [
    stream ? '","stream":true' : '"',
    field('code', code),
    field('mcp', mcp),
    field('group', group),
    field('rpcMethod', rpcMethod),
    field('tool', tool),
    field('outcome', outcome),
    rpcCode === undefined ? '' : `,"rpcCode":${rpcCode}`,
  ].join('')
}

/** As many clients as may well be at work at once. */
const sendersMax = 512

type Sender = Pick<AccessEntry, 'caller' | 'client' | 'sessionId' | 'pair'>

/** The end of the lines of those who take turns: who sent the request. */
class Senders {
  readonly #known = new Map<string, { readonly sender: Sender; readonly bytes: Uint8Array }>()

  of(sender: Sender): Uint8Array {
    const key = sender.sessionId ?? sender.caller ?? ''
    const known = this.#known.get(key)
    if (known !== undefined && areAlike(known.sender, sender)) return known.bytes
    const { caller, client, sessionId, pair } = sender
    const bytes = Buffer.from(
      `${field('caller', caller)}${field('client', client)}${field('sessionId', sessionId)}${field('pair', pair)},"msg":"request"}\n`,
    )
    if (this.#known.size >= sendersMax) this.#known.clear()
    this.#known.set(key, { sender: { caller, client, sessionId, pair }, bytes })
    return bytes
  }
}

function areAlike(one: Sender, other: Sender): boolean {
  return (
    one.sessionId === other.sessionId &&
    one.caller === other.caller &&
    one.client === other.client &&
    one.pair === other.pair
  )
}

const none = Buffer.alloc(0)

function copy(part: Uint8Array, buffer: Buffer, at: number): number {
  buffer.set(part, at)
  return at + part.length
}

/** For a few characters faster than a call of the runtime's. */
function writeAscii(text: string, buffer: Buffer, at: number): number {
  const { length } = text
  for (let index = 0; index < length; index++) buffer[at + index] = text.charCodeAt(index)
  return at + length
}

const zero = 0x30
const point = 0x2e

/** To the microsecond, without zeros at its end. */
function writeMs(durationMs: number, buffer: Buffer, start: number): number {
  const us = Math.max(0, Math.round(durationMs * 1000))
  const whole = Math.floor(us / 1000)
  let at = start
  if (whole < 10) buffer[at++] = zero + whole
  else at = writeAscii(String(whole), buffer, at)
  const rest = us - whole * 1000
  if (rest === 0) return at
  buffer[at++] = point
  buffer[at++] = zero + Math.floor(rest / 100)
  if (rest % 100 !== 0) buffer[at++] = zero + (Math.floor(rest / 10) % 10)
  if (rest % 10 !== 0) buffer[at++] = zero + (rest % 10)
  return at
}

function field(name: string, text: string | undefined): string {
  return text === undefined ? '' : `,"${name}":${quote(text)}`
}

/** Most texts are plain words, and a test for that costs a fraction of the full escaping. */
const plain = /^[\w./:-]*$/

function quote(text: string): string {
  if (text.length <= textMax && plain.test(text)) return `"${text}"`
  return printableJson(JSON.stringify(text.length > textMax ? `${text.slice(0, textMax)}…` : text))
}
