/** Three replicas that write at random while a directory is cut off from some, and emptied: all of them agree in the end. */
import { expect, test } from 'bun:test'
import { MemoryDirectory } from '../../src/cluster/directory/memory-directory.ts'
import { poll } from '../support/gateway.ts'
import { joined, type TestMember } from './members.ts'

/** More are for `bun run test:long:cluster`. */
const runs = Number(process.env['CLUSTER_CHANGES'] ?? 8)
const steps = 120

/** Whole numbers below a bound, the same ones for each seed. */
function numbersOf(seed: number): (below: number) => number {
  let state = seed * 7_919
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff
    return (state >> 8) % below
  }
}

function keysOf({ cluster }: TestMember): [string, string][] {
  return [...(cluster.shared?.records('key') ?? [])].sort()
}

/** Writes or removes one record, and notes it once it is answered. */
async function change(
  { cluster }: TestMember,
  id: string,
  text: string,
  removes: boolean,
  answered: Map<string, string | null>,
): Promise<void> {
  const store = cluster.shared
  if (store === null) return
  // Who does not know of a record has nothing to remove.
  const value = removes && store.records('key').has(id) ? null : text
  try {
    await store.confirm(async () => store.putRecords('key', new Map([[id, value]])))
    answered.set(id, value)
  } catch {
    // It was refused, and counts nowhere.
  }
}

async function disorder(seed: number): Promise<void> {
  const below = numbersOf(seed)
  const memory = new MemoryDirectory()
  const options = { leaseMs: 100 }
  const members = [
    await joined(memory, options),
    await joined(memory, options),
    await joined(memory, options),
  ]
  const answered = new Map<string, string | null>()
  const changes: Promise<void>[] = []
  for (let step = 0; step < steps; step++) {
    const member = members[below(3)]
    if (member === undefined) continue
    const what = below(20)
    if (what === 0) member.directory.cut(true)
    else if (what <= 3) member.directory.cut(false)
    else if (what === 4 && below(3) === 0) memory.clear()
    else changes.push(change(member, `k${below(4)}`, `${step}`, below(5) === 0, answered))
    if (below(4) === 0) await Bun.sleep(below(3))
  }
  await Promise.all(changes)
  for (const { directory } of members) directory.cut(false)
  const [first, ...others] = members
  if (first === undefined) return
  await poll(`all to agree (seed ${seed})`, async () =>
    others.every((other) => Bun.deepEquals(keysOf(other), keysOf(first))),
  )
  const late = await joined(memory)
  expect(keysOf(late)).toEqual(keysOf(first))
  const found = new Map(keysOf(first))
  for (const [id, value] of answered) expect([seed, id, found.get(id) ?? null]).toEqual([seed, id, value])
  await Promise.all([...members, late].map(({ cluster }) => cluster.close()))
}

test('replicas agree, and nothing is lost that was answered', async () => {
  const seed = Math.floor(Math.random() * 1_000_000)
  for (let run = 0; run < runs; run++) await disorder(seed + run)
}, 120_000)
