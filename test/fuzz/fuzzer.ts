/**
 * A fuzzer is a test that first repeats the cases on which something failed once, then tries random inputs.
 *
 *   FUZZ_SECONDS=60   as long for each fuzzer, instead of its fixed number of runs
 *   FUZZ_RUNS=100000  as many runs instead
 *   FUZZ_SEED=1       the inputs of an earlier run
 *   FUZZ_PATH=34:1:0  of these, the one that failed
 */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import type { KeptCase } from './cases.ts'

interface Fuzzer<Input> {
  readonly inputs: fc.Arbitrary<Input>
  /** Throws where a promise is broken. */
  readonly holds: (input: Input) => void
  /** Inputs that broke it once. */
  readonly cases: readonly KeptCase<Input>[]
  /** What a run of the suite tries: about a second's worth. */
  readonly runs: number
}

/** Time for what is no run: loading, and making a failure small. */
const sparedMs = 60_000
const unboundedRuns = 2 ** 31 - 1

function numberFrom(name: string): number | null {
  const text = process.env[name]
  if (text === undefined || text === '') return null
  const value = Number(text)
  if (!Number.isFinite(value)) throw new Error(`${name} must be a number`)
  return value
}

/** Registers a test of this name, which is a sentence about what holds for every input. */
export function fuzz<Input>(name: string, { inputs, holds, cases, runs }: Fuzzer<Input>): void {
  const seconds = numberFrom('FUZZ_SECONDS')
  const path = process.env['FUZZ_PATH']
  const seed = numberFrom('FUZZ_SEED') ?? Math.floor(Math.random() * 2 ** 31)
  const parameters: fc.Parameters<[Input]> = {
    seed,
    numRuns: numberFrom('FUZZ_RUNS') ?? (seconds === null ? runs : unboundedRuns),
    ...(path === undefined ? {} : { path }),
    ...(seconds === null ? {} : { interruptAfterTimeLimit: seconds * 1_000 }),
  }
  const timeoutMs = (seconds ?? 0) * 1_000 + sparedMs
  for (const { why, input } of cases) test(`${name}: ${why}`, () => holds(input))
  test(
    name,
    () => {
      // An input that never ends can be repeated only when the seed is known before it comes.
      if (seconds !== null) process.stderr.write(`FUZZ_SEED=${seed}: ${name}\n`)
      const details = fc.check(fc.property(inputs, holds), parameters)
      if (seconds !== null) process.stderr.write(`${details.numRuns} runs: ${name}\n`)
      if (details.failed) throw new Error(messageOf(name, details), { cause: details.errorInstance })
    },
    timeoutMs,
  )
}

/** Equal values, told apart by their texts: `toEqual` takes longer than most of what is tried here. */
export function expectSame(seen: unknown, expected: unknown): void {
  if (JSON.stringify(seen) !== JSON.stringify(expected)) expect(seen).toEqual(expected)
}

function messageOf<Input>(name: string, details: fc.RunDetails<[Input]>): string {
  const [input] = details.counterexample ?? []
  return [
    `${name}: not after ${details.numRuns} runs. To repeat it:`,
    `FUZZ_SEED=${details.seed} FUZZ_PATH=${details.counterexamplePath} bun test test/fuzz -t '${name}'`,
    `The input, for test/fuzz/cases.ts: ${JSON.stringify(input)}`,
    String(details.errorInstance),
  ].join('\n')
}
