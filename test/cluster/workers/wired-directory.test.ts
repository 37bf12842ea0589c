/** The directory of a supervisor as its workers see it, over a wire that carries JSON. */
import { expect, test } from 'bun:test'
import { DirectoryDown } from '../../../src/cluster/directory/directory.ts'
import { MemoryDirectory } from '../../../src/cluster/directory/memory-directory.ts'
import { type Answers, Channel } from '../../../src/cluster/workers/channel.ts'
import type { OfSupervisor } from '../../../src/cluster/workers/questions.ts'
import {
  hostDirectory,
  type WorkerDirectory,
  workerDirectory,
} from '../../../src/cluster/workers/wired-directory.ts'
import { directoryContract } from '../directory-contract.ts'

const serving: string[] = []

interface OfWorker {
  hint(text: string): void
}

/** One more worker with a wire of its own; `cut` is the end of its supervisor. */
function wired(memory: MemoryDirectory): { directory: WorkerDirectory; cut(): void } {
  const over = (take: (message: unknown) => void) => (message: object) => {
    const text = JSON.stringify(message)
    queueMicrotask(() => take(JSON.parse(text)))
  }
  const toWorker = over((message) => worker.received(message))
  const toSupervisor = over((message) => supervisor.received(message))
  const host = hostDirectory(
    memory,
    (text) => supervisor.tell('hint', text),
    () => serving,
  )
  const answers = {
    directory: (question: Parameters<OfSupervisor['directory']>[0]) => host.answer(question),
    hint: (text: string) => host.hint(text),
  }
  const supervisor = new Channel<OfSupervisor, OfWorker>(toWorker, answers as Answers<OfSupervisor>)
  const worker: Channel<OfWorker, OfSupervisor> = new Channel<OfWorker, OfSupervisor>(toSupervisor, {
    hint: (text) => directory.hinted(text),
  })
  const directory = workerDirectory(worker)
  return { directory, cut: () => worker.close() }
}

directoryContract('the directory of a supervisor', async () => {
  const memory = new MemoryDirectory()
  return {
    open: async () => wired(memory).directory,
    empty: async () => memory.clear(),
    stop: async () => {},
  }
})

test('says that nobody answers when the supervisor has gone, and tells who listens', async () => {
  const { directory, cut } = wired(new MemoryDirectory())
  const told: boolean[] = []
  directory.onUp((isUp) => told.push(isUp))
  await directory.find('s:1')
  cut()
  await expect(directory.find('s:1')).rejects.toBeInstanceOf(DirectoryDown)
  expect([directory.isUp, told]).toEqual([false, [false]])
})

test('deals out what may go to any worker: each gets as many, one that does not serve gets none', async () => {
  const memory = new MemoryDirectory()
  const { directory } = wired(memory)
  serving.splice(0, serving.length, 'one', 'two')
  const claim = { instance: 'one', record: '', livesMs: 60_000, spread: true }
  const owners = new Map<string, number>()
  for (let n = 0; n < 7; n++) {
    const { owner, mine } = await directory.claim(`l:${n}`, claim)
    expect(mine).toBe(owner === 'one')
    owners.set(owner, (owners.get(owner) ?? 0) + 1)
  }
  // Whoever asks has the odd one.
  expect(Object.fromEntries(owners)).toEqual({ one: 4, two: 3 })
  // It is the other's from now on, as if that had asked for it.
  expect(await directory.claim('l:1', { ...claim, instance: 'two' })).toMatchObject({ mine: true })
  serving.splice(0, serving.length, 'one')
  for (let n = 10; n < 16; n++) expect((await directory.claim(`l:${n}`, claim)).mine).toBe(true)
  // What is nobody's business to deal out goes to whoever asks.
  const session = await directory.claim('s:1', { instance: 'two', record: '', livesMs: 60_000 })
  expect(session.mine).toBe(true)
})
