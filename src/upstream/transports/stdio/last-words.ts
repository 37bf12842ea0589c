/**
 * Which line of what a program wrote says why it ended, or what it is about. Pure.
 *
 * Runtimes put it in different places: above a stack, below one, on two lines, in front of hints and versions.
 * Cases: test/upstream/transports/stdio/last-words.test.ts
 */

import { objectIn } from '../../../protocol/json.ts'
import { oneLine } from '../../../telemetry/printable.ts'

/** Colours, titles, cursor movements and the like: ESC or CSI up to the letter that ends them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to be found.
const terminalSequence = /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]/g
/** What frames the errors of a group (Python), of uv and of miette. */
const frame = /^[\s|│×╰─▶+]+(?=\S)/

/** `Error: …`, `TypeError [CODE]: …`, `java.lang.FooException: …`, `panic: …`, `error: …`; not the frames of a stack. */
const namedError =
  /^(?!at )(?:.*[\s.:\]])?(?:\w*(?:Error|Exception|Rejection)|error|fatal|FATAL|ERROR|CRITICAL|panic)(?:\[\w+\]| \[\w+\])?: ?\S/
/** Levels of loggers that write no colon behind them. */
const loggedError = /(?:^|[\s[|])(?:ERROR|FATAL|CRITICAL|PANIC)[\]\s|]+\S|\blevel=(?:error|fatal|panic)\b/
/** Node quotes what a promise was rejected with behind a long explanation. */
const unhandledRejection =
  /^\[?UnhandledPromiseRejection: .* (The promise rejected with the reason .*?)\.?(?:\]|$)/
const others = [
  // Rust
  /^thread '.*' (?:\(\d+\) )?panicked at /,
  unhandledRejection,
  // Ruby; Perl; .NET
  /\(\w+Error\)$/,
  /^Can't locate \S+\.pm/,
  /^Unhandled exception\. /,
  /^You must install or update \.NET/,
  // Shells, loaders and launchers
  /^(?!\d+: )[\w./-]+: .*(?:not found|no such file|permission denied|cannot execute|can't open|exec format error|loading shared libraries)/i,
  /^docker: \S/,
  /^(?:flag provided but not defined|unknown (?:shorthand )?(?:flag|option|command)|unrecognized (?:option|argument))\b/i,
  /^Because \S/,
  /^Killed$|^Segmentation fault|^Out of memory/i,
]

/** Lines that end an error without saying anything of it. */
const trailer =
  /^(?:Node\.js v\d|Bun v\d|note: |exit status \d+$|For more information|See '|Run '|Try '|A complete log of this run|\d+ \||at \S|goroutine \d|\.{3} \d+ more|Usage: |[\s^~{}[\]();,]*$)/

const npmLine = /^npm (?:error|ERR!) ?/
/** Lines of npm that say what it did, not why it failed. */
const npmNote =
  /^(?:code|errno|syscall|path|command|workspace|location|dest) |^Lifecycle script|^A complete log|^\d{3}$|^$/

/** One line of a text, without what moves a cursor; empty where nothing is left. */
export function plainLine(line: string): string {
  const shown = line.replace(terminalSequence, '')
  // A progress bar writes over itself.
  const last = shown.split('\r').findLast((part) => part.trim() !== '') ?? ''
  return oneLine(last).replace(frame, '')
}

/** The lines of a text that have something in them. */
function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map(plainLine)
    .filter((line) => line !== '')
}

/** The last line that says something; empty where there is none. */
export function lastLine(text: string): string {
  return linesOf(text).at(-1) ?? ''
}

/** The line that explains most, with what belongs to it; empty where there is none. */
export function tellingLine(text: string): string {
  const lines = linesOf(text)
  const own = lines.filter((line) => !/^npm\b/.test(line))
  const at = own.findLastIndex(tells)
  if (at >= 0) return withContinuation(own, at)
  const npm = lines
    .filter((line) => npmLine.test(line))
    .find((line) => !npmNote.test(line.replace(npmLine, '')))
  return npm ?? own.findLast((line) => !trailer.test(line)) ?? lines.at(-1) ?? ''
}

/** True where the text holds a line that is about an error. */
export function tellsError(text: string): boolean {
  return linesOf(text).some((line) => tells(line) || npmLine.test(line))
}

function tells(line: string): boolean {
  if (/^at \S/.test(line)) return false
  return (
    namedError.test(line) ||
    loggedError.test(line) ||
    loggedMessage(line) !== null ||
    others.some((form) => form.test(line))
  )
}

/** What stands on the lines behind the one that names the error. */
function withContinuation(lines: readonly string[], at: number): string {
  const line = (loggedMessage(lines[at] ?? '') ?? lines[at] ?? '')
    .replace(/^\[cause\]: /, '')
    .replace(unhandledRejection, 'UnhandledPromiseRejection: $1')
    .replace(/ \{$/, '')
  const behind = lines.slice(at + 1)
  const [next = '', afterNext = ''] = behind
  // Rust since 1.73 has the message on the line behind the place.
  if (/ panicked at \S+:\d+:\d+:$/.test(line)) return `${line} ${next}`
  // pydantic: the field and what is wrong with it.
  if (/validation errors? for \S+$/.test(line))
    return `${line}: ${next}: ${afterNext.replace(/ \[type=.*/, '')}`
  if (/^Because /.test(line)) return [line, ...behind].join(' ')
  const cause = causeIn(behind)
  return cause === '' ? line : `${line} (${cause})`
}

/** The innermost cause of an error that lists them below itself (anyhow, uv); Java's are errors by themselves. */
function causeIn(behind: readonly string[]): string {
  const head = behind.indexOf('Caused by:')
  const listed = head < 0 ? behind.filter((line) => line.startsWith('Caused by: ')) : behind.slice(head + 1)
  return (listed.at(-1) ?? '').replace(/^Caused by: |^\d+: /, '')
}

const loudLevels: readonly unknown[] = ['error', 'fatal', 'critical', 'ERROR', 'FATAL', 'CRITICAL', 50, 60]

/** The message of a line of JSON that a logger has written about an error, else null. */
function loggedMessage(line: string): string | null {
  if (!line.startsWith('{"') || !line.endsWith('}')) return null
  const { level, severity, msg, message } = (objectIn(line) ?? {}) as Record<string, unknown>
  const said = msg ?? message
  return loudLevels.includes(level ?? severity) && typeof said === 'string' ? said : null
}
