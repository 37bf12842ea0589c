/** What the command line of `bun run bench` chooses. */
import { parseArgs } from 'node:util'
import { workloads } from './workloads.ts'

export const probeIds = ['memory', 'churn', 'start', 'small-machine'] as const
export type ProbeId = (typeof probeIds)[number]

export interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly workloadIds: readonly string[]
  readonly probes: readonly ProbeId[]
  readonly peers: boolean
  /** null builds it. */
  readonly executable: string | null
  /** null: `bench/results` for a whole run, `dist/bench` for a part. */
  readonly outDirectory: string | null
  readonly quick: boolean
  /** True when every workload and probe runs at full length: only then the published figures change. */
  readonly whole: boolean
}

export const usage = `bun run bench [options]

  --quick              one round of a second each, small probes
  --only a,b           these workloads and probes alone
  --rounds N           rounds over all subjects (3); the median counts
  --seconds N          seconds of one measurement (5)
  --no-peers           leave out the gateways from npm
  --executable FILE    measure this executable instead of building one
  --out DIRECTORY      where the results go

Workloads: ${workloads.map(({ id }) => id).join(', ')}
Probes: ${probeIds.join(', ')}`

/** Throws an Error of one line for what makes no sense. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'no-peers': { type: 'boolean', default: false },
      executable: { type: 'string' },
      out: { type: 'string' },
    },
  })
  const { quick } = values
  const chosen = values.only?.flatMap((text) => text.split(',')) ?? null
  const known: readonly string[] = [...workloads.map(({ id }) => id), ...probeIds]
  const unknown = chosen?.find((id) => !known.includes(id))
  if (unknown !== undefined) throw new Error(`--only: "${unknown}" is neither a workload nor a probe`)
  const wanted = (id: string): boolean => chosen?.includes(id) ?? true
  const seconds = number('--seconds', values.seconds, quick ? 1 : 5)
  const rounds = number('--rounds', values.rounds, quick ? 1 : 3)
  const peers = !values['no-peers']
  return {
    rounds,
    seconds,
    warmUpSeconds: 1,
    workloadIds: workloads.map(({ id }) => id).filter(wanted),
    probes: probeIds.filter(wanted),
    peers,
    executable: values.executable ?? null,
    outDirectory: values.out ?? null,
    quick,
    whole: !quick && chosen === null && peers && rounds >= 3 && seconds >= 5,
  }
}

function number(flag: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`${flag} takes a whole number from 1 to 9999`)
  return Number(text)
}
