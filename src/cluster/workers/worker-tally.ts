/**
 * Numbers that all workers of a gateway see at once: how many child processes each of them has. In a file that is
 * mapped into each, one place for each worker, which alone writes there; sums are of this moment, and asking costs
 * nothing.
 */
import { writeFileSync } from 'node:fs'

/** More workers than processors that any machine has. */
export const workersMax = 256
const bytes = workersMax * Int32Array.BYTES_PER_ELEMENT

/** Below the directory of the run. */
export const tallyFile = 'counts'

/** To be called once, before anybody opens it. */
export function makeWorkerTally(path: string): void {
  writeFileSync(path, new Uint8Array(bytes), { mode: 0o600 })
}

export class WorkerTally {
  readonly #counts: Int32Array

  constructor(path: string) {
    const mapped = Bun.mmap(path, { shared: true })
    this.#counts = new Int32Array(mapped.buffer, mapped.byteOffset, workersMax)
  }

  /** Says how many worker `worker` has. */
  set(worker: number, count: number): void {
    Atomics.store(this.#counts, worker, count)
  }

  /** How many all but worker `worker` have. */
  others(worker: number): number {
    let sum = 0
    for (let at = 0; at < workersMax; at++) if (at !== worker) sum += Atomics.load(this.#counts, at)
    return sum
  }
}
