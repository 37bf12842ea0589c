/**
 * The log for people at a terminal: a line of the log as a line of theirs.
 *
 *   09:15:02.113 INFO  POST /mcp-proxy/files/stream 200 12ms files read_file ok
 *   09:15:04.930 WARN  server state changed mcp=files from=connected to=error reason="The server process exited"
 *
 * Requests are many, so each is held to the width of the terminal, and gives up the least of itself first: the
 * beginning of its path. What else happens says why, and keeps its words.
 */
import type { AccessEntry } from './access-line.ts'
import type { CallOutcome } from './call-ending.ts'
import type { LogLevel } from './log.ts'
import { printable } from './printable.ts'

export interface Terminal {
  readonly colours: boolean
  /** Columns, or null where nothing says how many; asked for each line. */
  width(): number | null
}

/** Turns one line of JSON into one for people, with its line break. */
export type Printer = (json: string) => string

/** The terminal that standard output is, if it is one. `NO_COLOR` and `TERM=dumb` are heard (no-color.org). */
export function standardOutputAsTerminal(environment: NodeJS.ProcessEnv): Terminal {
  const { stdout } = process
  const plain = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb'
  return {
    colours: stdout.isTTY === true && !plain,
    width: () => (stdout.isTTY === true && stdout.columns > 0 ? stdout.columns : null),
  }
}

/** A printer for this terminal; null for a file or a pipe, where lines are as long as they are. */
export function createPrinter(terminal: Terminal | null): Printer {
  return (json) => {
    const line = JSON.parse(json) as Line
    const request = line.msg === 'request' || line.msg === 'call'
    const cells = request ? requestCells(line, terminal?.width() ?? null) : eventCells(line)
    const text = terminal?.colours === true ? cells.map(coloured) : cells.map(({ text: shown }) => shown)
    return `${text.join(' ')}\n`
  }
}

type Line = Partial<AccessEntry> & {
  readonly level: LogLevel
  readonly time: string
  readonly msg: string
}

type Colour = 'dim' | 'green' | 'yellow' | 'red' | 'cyan'

interface Cell {
  readonly text: string
  readonly colour?: Colour | undefined
}

const codes: Readonly<Record<Colour, number>> = { dim: 2, green: 32, yellow: 33, red: 31, cyan: 36 }
const levelColours: Readonly<Record<LogLevel, Colour>> = {
  debug: 'dim',
  info: 'green',
  warn: 'yellow',
  error: 'red',
}

function coloured({ text, colour }: Cell): string {
  return colour === undefined ? text : `\u001b[${codes[colour]}m${text}\u001b[0m`
}

/** The local time of the day, and the level. */
function headCells({ time, level }: Line): Cell[] {
  const at = new Date(time)
  const two = (value: number) => String(value).padStart(2, '0')
  const ms = String(at.getMilliseconds()).padStart(3, '0')
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`
  return [
    { text: clock, colour: 'dim' },
    { text: level.toUpperCase().padEnd(5), colour: levelColours[level] },
  ]
}

/** What is left of a part of a request when the line is too long for the terminal, at least. */
const partCharsMin = 9

function requestCells(line: Line, width: number | null): Cell[] {
  const { method, path, status, durationMs, mcp, tool, rpcMethod, outcome, code, stream } = line
  const parts = {
    path: shown(path),
    duration: durationMs === undefined ? '' : durationText(durationMs),
    mcp: shown(mcp),
    what: shown(tool ?? rpcMethod),
    code: shown(code),
  }
  const cells = (): Cell[] =>
    filled([
      ...headCells(line),
      { text: method === undefined ? 'call' : shown(method) },
      { text: parts.path },
      { text: status === undefined ? '' : String(status), colour: statusColour(status) },
      { text: parts.duration, colour: 'dim' },
      { text: parts.mcp, colour: 'cyan' },
      { text: parts.what },
      { text: outcome ?? (stream === true ? 'stream' : ''), colour: outcomeColour(outcome) },
      { text: parts.code },
    ])
  if (width === null) return cells()
  const over = () => widthOf(cells()) - width
  parts.path = cutStart(parts.path, over())
  if (over() > 0) parts.code = ''
  parts.what = cutEnd(parts.what, over())
  parts.mcp = cutEnd(parts.mcp, over())
  if (over() > 0) parts.path = ''
  if (over() > 0) parts.duration = ''
  return within(cells(), width)
}

function eventCells(line: Line): Cell[] {
  const { level: _, time: __, msg, ...fields } = line
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== null)
    .map(([name, value]): Cell => ({ text: `${name}=${valueText(value)}` }))
  return [...headCells(line), { text: shown(msg), colour: 'cyan' }, ...pairs]
}

/** What is shown of a value that is an object. */
const objectColumnsMax = 60

function valueText(value: unknown): string {
  const whole = typeof value === 'string' ? value : JSON.stringify(value)
  // A whole definition, as an admin has changed it: the JSON form of the log has all of it.
  const text = whole.startsWith('{') ? startOf(whole, objectColumnsMax) : whole
  return shown(/^[^\s"=]+$/.test(text) ? text : JSON.stringify(text))
}

function shown(text: string | undefined): string {
  return text === undefined ? '' : printable(text).replaceAll(/[\t\n]/g, ' ')
}

function filled(cells: readonly Cell[]): Cell[] {
  return cells.filter(({ text }) => text !== '')
}

function widthOf(cells: readonly Cell[]): number {
  return cells.reduce((sum, { text }) => sum + Bun.stringWidth(text) + 1, -1)
}

/** Without so many columns of its beginning, as far as it can spare them. */
function cutStart(text: string, columns: number): string {
  if (columns <= 0 || Bun.stringWidth(text) <= partCharsMin) return text
  const keep = Math.max(partCharsMin, Bun.stringWidth(text) - columns)
  let end = text.slice(1 - keep)
  while (Bun.stringWidth(end) > keep - 1) end = end.slice(1)
  return `…${end}`
}

function cutEnd(text: string, columns: number): string {
  if (columns <= 0 || Bun.stringWidth(text) <= partCharsMin) return text
  return startOf(text, Math.max(partCharsMin, Bun.stringWidth(text) - columns))
}

/** So many columns of a text, the last of them a mark that there was more. */
function startOf(text: string, columns: number): string {
  if (Bun.stringWidth(text) <= columns) return text
  let start = text.slice(0, columns - 1)
  while (start !== '' && Bun.stringWidth(start) > columns - 1) start = start.slice(0, -1)
  return `${start}…`
}

/** For a terminal too narrow for anything better: what stands at the beginning. */
function within(cells: readonly Cell[], width: number): Cell[] {
  const kept: Cell[] = []
  let left = width
  for (const cell of cells) {
    if (left <= 0) break
    const text = startOf(cell.text, left)
    kept.push({ ...cell, text })
    left -= Bun.stringWidth(text) + 1
  }
  return kept
}

function durationText(ms: number): string {
  if (ms < 10) return `${Math.round(ms * 10) / 10}ms`
  if (ms < 1_000) return `${Math.round(ms)}ms`
  return ms < 60_000
    ? `${Math.round(ms / 100) / 10}s`
    : `${Math.floor(ms / 60_000)}m${Math.round((ms % 60_000) / 1000)}s`
}

function statusColour(status: number | undefined): Colour | undefined {
  if (status === undefined || status < 400) return undefined
  return status < 500 ? 'yellow' : 'red'
}

function outcomeColour(outcome: CallOutcome | undefined): Colour | undefined {
  if (outcome === 'failed') return 'red'
  return outcome === undefined || outcome === 'ok' || outcome === 'input_required' ? 'dim' : 'yellow'
}
