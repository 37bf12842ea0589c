/** The results of a run as they are written to JSON, and the medians that people read. */
import type { Sample } from '../measure.ts'
import type { ChurnFigures, MemoryFigures } from '../probes/memory.ts'
import type { Churn } from '../probes/sessions.ts'
import type { SmallMachineFigures } from '../probes/small-machine.ts'
import type { SubjectName } from '../subjects/subject.ts'

export interface SubjectResult {
  readonly subject: SubjectName
  /** One sample a round; a round that failed is not there. */
  readonly rounds: readonly Sample[]
  /** Why there is no sample, in the words of the subject. */
  readonly fault: string | null
}

export interface WorkloadResult {
  readonly id: string
  readonly title: string
  readonly subjects: readonly SubjectResult[]
}

export interface Probes {
  readonly memory?: MemoryFigures
  readonly churn?: ChurnFigures
  /** Sessions that came and went in a few seconds. */
  readonly churnRates?: readonly { readonly subject: SubjectName; readonly churn: Churn | null }[]
  readonly startMs?: readonly number[]
  /** null where the machine does not let us limit a process. */
  readonly smallMachine?: SmallMachineFigures | null
}

export interface Results {
  readonly date: string
  readonly machine: Readonly<Record<'processor' | 'cores' | 'memory' | 'system', string>>
  readonly versions: Readonly<Record<string, string>>
  readonly rounds: number
  readonly seconds: number
  readonly workloads: readonly WorkloadResult[]
  readonly probes: Probes
}

/** The middle value; of an even number the lower one of the two. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN
}

/** The medians of all rounds, figure by figure; null without a round. */
export function medians(rounds: readonly Sample[]): Sample | null {
  if (rounds.length === 0) return null
  const of = (figure: (sample: Sample) => number | null): number =>
    median(rounds.map(figure).filter((value) => value !== null))
  const orNull = (figure: (sample: Sample) => number | null): number | null =>
    rounds.some((sample) => figure(sample) === null) ? null : of(figure)
  return {
    requests: of((sample) => sample.requests),
    seconds: of((sample) => sample.seconds),
    requestsPerSecond: of((sample) => sample.requestsPerSecond),
    p50Ms: of((sample) => sample.p50Ms),
    p90Ms: of((sample) => sample.p90Ms),
    p99Ms: of((sample) => sample.p99Ms),
    maxMs: of((sample) => sample.maxMs),
    errors: rounds.reduce((sum, sample) => sum + sample.errors, 0),
    cpuUsPerRequest: orNull((sample) => sample.cpuUsPerRequest),
    rssMib: orNull((sample) => sample.rssMib),
  }
}

/** The rounds of one subject under one workload; empty when it was not measured. */
export function roundsOf(results: Results, workloadId: string, subject: SubjectName): readonly Sample[] {
  const workload = results.workloads.find(({ id }) => id === workloadId)
  return workload?.subjects.find((one) => one.subject === subject)?.rounds ?? []
}
