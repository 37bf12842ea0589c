/** The directory of a supervisor, and how a worker asks it over the wire between the two. */
import {
  type Claim,
  type ClaimOutcome,
  type Directory,
  DirectoryDown,
  type InstanceId,
  type OwnedKey,
} from '../directory/directory.ts'
import type { MemoryDirectory } from '../directory/memory-directory.ts'
import { type Channel, ChannelClosed } from './channel.ts'
import type { DirectoryQuestion, OfSupervisor } from './questions.ts'

/** The end of the supervisor, for one worker. */
export interface DirectoryHost {
  answer(question: DirectoryQuestion): Promise<unknown>
  hint(text: string): void
  close(): void
}

/** What can be asked over a wire: everything with an answer. */
const askedMethods = [
  'beat',
  'leave',
  'claim',
  'find',
  'adopt',
  'update',
  'release',
  'refresh',
  'put',
  'changesSince',
  'restore',
  'slots',
  'take',
] as const satisfies readonly (keyof Directory)[]

/** `tell` hands on the hints of others; `serving` are those that something new may be given to. */
export function hostDirectory(
  memory: MemoryDirectory,
  tell: (text: string) => void,
  serving: () => readonly InstanceId[],
): DirectoryHost {
  const directory = memory.open()
  directory.onHint(tell)
  /** Where several have as few, whoever asks gets it. */
  const dealt = async (key: OwnedKey, claim: Claim): Promise<ClaimOutcome> => {
    const { instance } = claim
    const others = serving().filter((other) => other !== instance)
    const chosen = memory.fewest(key.slice(0, kindChars), [instance, ...others]) ?? instance
    const outcome = await directory.claim(key, { ...claim, instance: chosen })
    return { ...outcome, mine: outcome.owner === instance }
  }
  return {
    async answer({ method, given }) {
      if (method === 'claim') {
        const [key, claim] = given as Parameters<Directory['claim']>
        if (claim.spread === true) return await dealt(key, claim)
      }
      const asked = askedMethods.find((known) => known === method)
      if (asked === undefined) throw new Error(`the directory does not know ${method}`)
      const ask = directory[asked] as (...given: readonly unknown[]) => Promise<unknown>
      return await ask(...given)
    },
    hint: (text) => directory.hint(text),
    close: () => void directory.close(),
  }
}

/** Of a key: `s:` sessions, `l:` lanes. */
const kindChars = 2

/** A supervisor answers within a millisecond, unless the machine stands still. */
const answerMs = 2_000

/** Everything else in it comes from the supervisor. */
export interface WorkerDirectory extends Directory {
  /** Hands in what others hint at. */
  hinted(text: string): void
}

export function workerDirectory(
  channel: Pick<Channel<never, OfSupervisor>, 'ask' | 'tell'>,
): WorkerDirectory {
  const hintListeners = new Set<(text: string) => void>()
  const upListeners = new Set<(isUp: boolean) => void>()
  let isUp = true
  const turned = (up: boolean): void => {
    if (up === isUp) return
    isUp = up
    for (const listener of upListeners) listener(up)
  }
  const ask = async (method: string, given: readonly unknown[]): Promise<unknown> => {
    try {
      const answer = await channel.ask('directory', { method, given }, answerMs)
      turned(true)
      return answer
    } catch (thrown) {
      if (!(thrown instanceof ChannelClosed)) throw thrown
      turned(false)
      throw new DirectoryDown(thrown.message)
    }
  }
  const asked = Object.fromEntries(
    askedMethods.map((method) => [method, (...given: readonly unknown[]) => ask(method, given)]),
  ) as Pick<Directory, (typeof askedMethods)[number]>
  return {
    ...asked,
    get isUp() {
      return isUp
    },
    onUp: (listener) => void upListeners.add(listener),
    hint: (text) => channel.tell('hint', text),
    onHint: (listener) => void hintListeners.add(listener),
    hinted(text) {
      for (const listener of hintListeners) listener(text)
    },
    close: async () => {
      hintListeners.clear()
      upListeners.clear()
    },
  }
}
