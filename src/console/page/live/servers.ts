/** All servers and how they fare: asked for at the start, kept up to date by events, and asked again now and then for the figures. */
import type { ServerView, StateEvent } from '../../../http/api/answers.ts'
import { type ApiFailure, asFailure, call } from '../api/api.ts'
import { createStore } from '../store.ts'
import { onStates } from './live.ts'

export interface ServersState {
  /** Null until they are known. By name, groups among them. */
  readonly list: readonly ServerView[] | null
  readonly failure: ApiFailure | null
}

export const servers = createStore<ServersState>({ list: null, failure: null })

/** What stands in no event: requests, processes, sessions. */
const figuresMs = 10_000
/** Servers that come and go together are asked for once. */
const settleMs = 250

let timer: ReturnType<typeof setTimeout> | undefined
let asking: Promise<void> | null = null

/** Asks again; those who ask meanwhile get the same answer. */
export function refreshServers(): Promise<void> {
  asking ??= ask().finally(() => {
    asking = null
  })
  return asking
}

/** Keeps the servers up to date until the function that is returned is called. */
export function watchServers(): () => void {
  void refreshServers()
  const forget = onStates(take)
  const figures = setInterval(() => {
    if (!document.hidden) void refreshServers()
  }, figuresMs)
  return () => {
    forget()
    clearInterval(figures)
    clearTimeout(timer)
  }
}

/** Stores a definition, in the place of the one of that name or as a new one; says what the gateway has said. */
export async function saveDefinition(name: string | null, body: unknown): Promise<string> {
  const { message } =
    name === null ? await call('createServer', { body }) : await call('replaceServer', { name, body })
  await refreshServers()
  return message
}

async function ask(): Promise<void> {
  try {
    const { mcps } = await call('listServers')
    const list = mcps.toSorted((a, b) => (a.definition.name < b.definition.name ? -1 : 1))
    servers.set({ list, failure: null })
  } catch (thrown) {
    servers.set({ ...servers.get(), failure: asFailure(thrown) })
  }
}

function take(states: readonly StateEvent[]): void {
  const { list } = servers.get()
  if (list === null) return
  const byName = new Map(states.map((state) => [state.mcp, state]))
  const known = new Set(list.map(({ definition }) => definition.name))
  // What is new, and what a definition says now, is in no event.
  if (states.some(({ mcp, status }) => status === 'removed' || !known.has(mcp))) askSoon()
  const next = list.flatMap((server) => {
    const state = byName.get(server.definition.name)
    if (state === undefined) return [server]
    if (state.status === 'removed') return []
    const { reason, restarts, disabledAt } = state
    const status = state.status
    const since = state.since ?? server.status.since
    const before = server.status
    const same =
      before.status === status &&
      before.reason === reason &&
      before.restarts === restarts &&
      before.disabledAt === disabledAt &&
      before.since === since
    if (!same) askSoon()
    return [same ? server : { ...server, status: { ...before, status, reason, restarts, disabledAt, since } }]
  })
  servers.set({ list: next, failure: null })
}

function askSoon(): void {
  clearTimeout(timer)
  timer = setTimeout(() => void refreshServers(), settleMs)
}
