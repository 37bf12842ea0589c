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
  const host = hostDirectory(memory, (text) => supervisor.tell('hint', text))
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
