/** A small run, as the reports see it. */
import type { Sample } from '../../bench/measure.ts'
import type { Results, SubjectResult, WorkloadResult } from '../../bench/report/results.ts'

export function sampleOf(requestsPerSecond: number, cpuUsPerRequest: number): Sample {
  return {
    requests: 1000,
    seconds: 1,
    requestsPerSecond,
    p50Ms: 1,
    p90Ms: 2,
    p99Ms: 3,
    maxMs: 4,
    errors: 0,
    cpuUsPerRequest,
    rssMib: 50,
  }
}

export function workloadOf(id: string, subjects: readonly SubjectResult[]): WorkloadResult {
  return { id, title: `${id} & more`, subjects }
}

export function resultsOf(workloads: readonly WorkloadResult[], probes: Results['probes'] = {}): Results {
  return {
    date: '2026-01-02T03:04:05.000Z',
    machine: { processor: 'Some CPU', cores: '2 cores', memory: '8 GiB', system: 'linux 1.2.3' },
    versions: { bun: '1.4.5' },
    rounds: 3,
    seconds: 5,
    workloads,
    probes,
  }
}
