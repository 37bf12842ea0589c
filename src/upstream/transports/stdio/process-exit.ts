/** How a server process ended, with what it said and what a person can do about it. */
import { GatewayError } from '../../../errors.ts'
import { type Ending, remedyFor, signalNames } from './remedy.ts'

/** The process of a server has ended by itself, or was ended by somebody else than the gateway. */
export class ProcessExit extends GatewayError {
  readonly exitCode: number | null
  readonly signal: string | null

  /** `said` is the line of its output that explains most, masked; empty when there is none. */
  constructor(ending: Ending, said: string) {
    const remedy = remedyFor(said, ending)
    const what = `The server process ${howItEnded(ending, said)}${said === '' ? '.' : `: ${said}`}`
    super('UPSTREAM_CLOSED', remedy === '' ? what : `${what}${/[.?!]$/.test(what) ? '' : '.'} ${remedy}.`)
    this.exitCode = ending.exitCode
    this.signal = ending.signal
  }
}

function howItEnded({ exitCode, signal }: Ending, said: string): string {
  if (exitCode === null) return `was ended by ${signal}`
  // Where there are words, they say it better.
  const meaning = signalNames[exitCode - 128] ?? (said === '' ? exitMeanings[exitCode] : undefined)
  return `exited with code ${exitCode}${meaning === undefined ? '' : ` (${meaning})`}`
}

/** What shells mean by them. */
const exitMeanings: Readonly<Record<number, string | undefined>> = {
  126: 'not executable',
  127: 'command not found',
}
