/** How many workers there are where the configuration leaves it to the machine. */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { workersMax } from './worker-tally.ts'

/** The number that is configured; for `auto` one for each processor that this process may use. */
export function workerCount(configured: number | 'auto'): number {
  if (configured !== 'auto') return configured
  const processors = Math.min(availableParallelism(), quotaOf(readQuota()) ?? Number.POSITIVE_INFINITY)
  return Math.min(workersMax - 1, Math.max(1, processors))
}

/** Processors that the `cpu.max` of a control group leaves, rounded up; null without a limit. */
export function quotaOf(cpuMax: string): number | null {
  const [, quota, period] = /^(\d+) (\d+)/.exec(cpuMax) ?? []
  return quota === undefined || Number(period) === 0 ? null : Math.ceil(Number(quota) / Number(period))
}

/** Of the group of this process as a container sees it; empty elsewhere. */
function readQuota(): string {
  try {
    return readFileSync('/sys/fs/cgroup/cpu.max', 'utf8')
  } catch {
    return ''
  }
}
