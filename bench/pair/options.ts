/** What the command line of `bun bench/pair.ts` chooses. */
import { parseArgs } from 'node:util'
import { type Workload, workloads } from '../workloads.ts'
import { roundsMin } from './statistics.ts'

export interface PairOptions {
  readonly executableA: string
  readonly executableB: string
  readonly workloads: readonly Workload[]
  readonly rounds: number
  /** Of load on each side in one round of one workload. */
  readonly seconds: number
  /** Of load on each side before it is measured, in each round anew, workload by workload. */
  readonly firstSeconds: number
  /** Of the ratio B/A, for CPU time and for the start. */
  readonly limit: number
}

/** Small calls, over each way that a message can take through the gateway. */
const defaultIds = ['stdio', 'stdio-modern', 'http', 'http-modern', 'bridge-new-old', 'bridge-old-new']

export const pairUsage = `bun run bench:pair A B [options]

Is a small call of executable B dearer than one of A, does B start slower, does it hold more memory?
Both run at once on processor 0, everything else on processor 1; they are measured in turn. Needs Linux.

  --workloads a,b      these workloads (${defaultIds.join(', ')})
  --rounds N           rounds over all workloads (15), at least ${roundsMin}
  --seconds N          seconds that each side is driven in a round, workload by workload (0.8)
  --first-seconds N    seconds of load before that, in which the new processes compile what is hot (5)
  --limit N            what the ratio B/A may be (1.03)

Exit code 0: everything is shown to be within its limit; 1: something is not; 2: nothing could be measured.

Workloads: ${workloads.map(({ id }) => id).join(', ')}`

/** Throws an Error of one line for what makes no sense. */
export function readPairOptions(args: readonly string[]): PairOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      workloads: { type: 'string', multiple: true },
      rounds: { type: 'string', default: '15' },
      seconds: { type: 'string', default: '0.8' },
      'first-seconds': { type: 'string', default: '5' },
      limit: { type: 'string', default: '1.03' },
    },
  })
  const [executableA, executableB, ...more] = positionals
  if (executableA === undefined || executableB === undefined || more.length > 0)
    throw new Error('two executables are compared: name A and B')
  const rounds = number('--rounds', values.rounds, roundsMin, 999)
  if (!Number.isInteger(rounds)) throw new Error('--rounds takes a whole number')
  return {
    executableA,
    executableB,
    workloads: (values.workloads?.flatMap((text) => text.split(',')) ?? defaultIds).map(workloadOf),
    rounds,
    seconds: number('--seconds', values.seconds, 0.1, 60),
    firstSeconds: number('--first-seconds', values['first-seconds'], 0.1, 60),
    limit: number('--limit', values.limit, 0.5, 10),
  }
}

function workloadOf(id: string): Workload {
  const workload = workloads.find((one) => one.id === id)
  if (workload === undefined) throw new Error(`--workloads: "${id}" is no workload`)
  return workload
}

function number(flag: string, text: string, min: number, max: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new Error(`${flag} takes a number from ${min} to ${max}`)
}
