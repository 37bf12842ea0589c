/** The tools of each server, asked for one server at a time: all of them at once would be one long task in the page. */
import type { ToolList } from '../../../http/api/answers.ts'
import { type ApiFailure, asFailure, call } from '../api/api.ts'
import { createStore } from '../store.ts'

export type Tool = ToolList['tools'][number]

export interface ServerTools {
  readonly tools: readonly Tool[]
  /** Names of those that wait for approval. */
  readonly heldBack: readonly string[]
  /** Why there are none. */
  readonly error: string | null
  /** When the server came up that has listed them. */
  readonly since: string
}

/** By the name of the server. */
export const tools = createStore<ReadonlyMap<string, ServerTools>>(new Map())

const atOnceMax = 4
const waiting: { readonly name: string; readonly since: string }[] = []
const asked = new Map<string, string>()
let running = 0

/** Asks for the tools of a server that is up since then, unless they were asked for. */
export function wantTools(name: string, since: string): void {
  if (asked.get(name) === since) return
  asked.set(name, since)
  waiting.push({ name, since })
  next()
}

/** Asks again, whatever is known. */
export function refreshTools(name: string, since: string): void {
  asked.delete(name)
  wantTools(name, since)
}

function next(): void {
  const wanted = running < atOnceMax ? waiting.shift() : undefined
  if (wanted === undefined) return
  running++
  void load(wanted.name, wanted.since).finally(() => {
    running--
    next()
  })
}

async function load(name: string, since: string): Promise<void> {
  const put = (found: Omit<ServerTools, 'since'>) => {
    const all = new Map(tools.get())
    all.set(name, { ...found, since })
    tools.set(all)
  }
  try {
    const { tools: found, heldBack = [], errors } = await call('listTools', { query: { name } })
    put({ tools: found, heldBack: heldBack.map((held) => held.name), error: errors[0]?.error ?? null })
  } catch (thrown) {
    const { details }: ApiFailure = asFailure(thrown)
    put({ tools: [], heldBack: [], error: details })
  }
}
