/**
 * What happens at the gateway while the page is open: one event stream for all views. Events are taken as they come and
 * given on once a frame, so that a flood of calls draws the page no more often than a screen shows it.
 */
import type { CallEvent, StateEvent } from '../../../http/api/answers.ts'
import { asFailure } from '../api/api.ts'
import { pause, readEvents } from '../api/event-stream.ts'
import { createStore } from '../store.ts'

export interface LiveState {
  readonly status: 'connecting' | 'live' | 'waiting'
  /** Why it is not live. */
  readonly reason: string | null
}

export const liveState = createStore<LiveState>({ status: 'connecting', reason: null })

type CallsListener = (calls: readonly CallEvent[], missed: number) => void
type StatesListener = (states: readonly StateEvent[]) => void

/** What waits for the next frame; more is not shown, and said so. */
const waitingMax = 2_000
/** What a view is told of the time before it was opened. */
const recentMax = 5_000
const pauseMsMin = 1_000
const pauseMsMax = 15_000
/** A page that nobody sees gets no frames. */
const hiddenMs = 500

const callListeners = new Set<CallsListener>()
const stateListeners = new Set<StatesListener>()
let calls: CallEvent[] = []
let recent: CallEvent[] = []
let states: StateEvent[] = []
let missed = 0
let forgotten = 0
let scheduled = false

/** Calls as they end, some at a time; `missed` of them were not told. Until the function that is returned is called. */
export function onCalls(listener: CallsListener): () => void {
  callListeners.add(listener)
  return () => callListeners.delete(listener)
}

/** The last calls before now, oldest first. */
export function recentCalls(): readonly CallEvent[] {
  return recent
}

/** How many calls since the page was opened are no longer among the last ones. */
export function forgottenCalls(): number {
  return forgotten
}

/** Lets the last calls go. */
export function forgetCalls(): void {
  recent = []
  forgotten = 0
}

/** States of servers as they change; all of them whenever the stream begins. */
export function onStates(listener: StatesListener): () => void {
  stateListeners.add(listener)
  return () => stateListeners.delete(listener)
}

/** Follows until `signal` ends it, over and over. */
export async function follow(signal: AbortSignal): Promise<void> {
  let pauseMs = pauseMsMin
  while (!signal.aborted) {
    liveState.set({ status: 'connecting', reason: liveState.get().reason })
    const reason = await once(signal, () => {
      pauseMs = pauseMsMin
    })
    if (signal.aborted) return
    liveState.set({ status: 'waiting', reason })
    await pause(pauseMs * (0.8 + 0.4 * Math.random()), signal)
    pauseMs = Math.min(pauseMsMax, pauseMs * 2)
  }
}

async function once(signal: AbortSignal, opened: () => void): Promise<string> {
  try {
    await readEvents('followEvents', {
      signal,
      onOpen() {
        opened()
        liveState.set({ status: 'live', reason: null })
      },
      onEvent: take,
    })
    return 'The gateway has ended the stream of events.'
  } catch (thrown) {
    return asFailure(thrown).details
  }
}

function take(name: string, data: string): void {
  if (name === 'call') {
    if (calls.length < waitingMax) calls.push(JSON.parse(data) as CallEvent)
    else missed++
  } else if (name === 'state') states.push(JSON.parse(data) as StateEvent)
  else if (name === 'missed') missed += (JSON.parse(data) as { readonly count: number }).count
  else return
  if (scheduled) return
  scheduled = true
  if (document.hidden) setTimeout(giveOn, hiddenMs)
  else requestAnimationFrame(giveOn)
}

function giveOn(): void {
  const [newCalls, newStates, newMissed] = [calls, states, missed]
  calls = []
  states = []
  missed = 0
  scheduled = false
  if (newStates.length > 0) for (const listener of stateListeners) listener(newStates)
  if (newCalls.length > 0) {
    forgotten += Math.max(0, recent.length + newCalls.length - recentMax)
    recent = [...recent, ...newCalls].slice(-recentMax)
  }
  if (newCalls.length > 0 || newMissed > 0)
    for (const listener of callListeners) listener(newCalls, newMissed)
}
