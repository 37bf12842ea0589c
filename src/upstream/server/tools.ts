/** Tools of one server, as the admin API and calls of its own see them. */
import { noteTools } from '../../access/items.ts'
import { pinsOf } from '../../access/pins.ts'
import { reachOf } from '../../access/reach.ts'
import { GatewayError } from '../../errors.ts'
import { legacyTools } from '../../protocol/bridge/results.ts'
import type { ToolFacts } from '../../protocol/bridge/types.ts'
import { isObject } from '../../protocol/json.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { CallWatch, GatewayCall } from '../connection/calls.ts'
import type { Lane } from '../lane/lane.ts'
import type { ToolAnswer, ToolDescription } from './directory.ts'

/** A server that hands out pages without end is stopped here. */
const pagesMax = 1_000
/** Characters of all pages together: each may be as large as one message. */
const listCharsMax = 64 * 1024 * 1024

type AskForTools = (params: Record<string, unknown> | undefined) => Promise<GatewayCall>

/** Asks on this lane; what holds tools of the server back is shown what comes. */
export function askingForTools(
  definition: ServerDefinition,
  laneOf: () => Promise<Lane>,
  timeoutMs: number,
): AskForTools {
  return async (params) => {
    const lane = await laneOf()
    const asked = await lane.ask('tools/list', params, timeoutMs)
    const pins = pinsOf(definition)
    if (pins !== null) noteTools(pins, asked.resultText)
    return asked
  }
}

/**
 * The answers to `tools/list`, page after page. Returns null at the end of the list, and in words why the rest
 * is not read where a server's pages never end. `ask` sends `tools/list` with these parameters.
 */
async function* toolPages(ask: AskForTools): AsyncGenerator<GatewayCall, string | null> {
  const seen = new Set<string>()
  let params: { cursor: string } | undefined
  let chars = 0
  for (let page = 0; page < pagesMax; page++) {
    const asked: GatewayCall = await ask(params)
    chars += asked.resultText.length
    if (chars > listCharsMax) return `tools/list is larger than ${listCharsMax} characters`
    yield asked
    const cursor: unknown = (await asked.answer)['nextCursor']
    if (typeof cursor !== 'string') return null
    if (seen.has(cursor)) return 'tools/list gave the same cursor twice'
    seen.add(cursor)
    params = { cursor }
  }
  return `tools/list has more than ${pagesMax} pages`
}

/** Every tool of every page. Rejects with a GatewayError, also when the pages never end. */
export async function listTools(ask: AskForTools): Promise<ToolDescription[]> {
  const tools: ToolDescription[] = []
  const pages = toolPages(ask)
  for (;;) {
    const page = await pages.next()
    if (page.done === true) {
      if (page.value !== null) throw new GatewayError('UPSTREAM_ERROR', page.value)
      return tools
    }
    const { tools: listed } = await page.value.answer
    for (const tool of Array.isArray(listed) ? listed : [])
      if (isObject(tool) && typeof tool['name'] === 'string') tools.push({ ...tool, name: tool['name'] })
  }
}

/** Throws NOT_FOUND, with the rule, for a tool that no client may call; `tools` are those of its server. */
export async function requireTool(
  definition: ServerDefinition,
  tools: ToolTable,
  name: string,
): Promise<void> {
  const reach = reachOf(null, definition)
  if (reach.open) return
  if (reach.pins?.saw(name) === false && tools.known(name) === undefined) await tools.reread(name)
  const { allowed, rule } = reach.decide('tool', name)
  if (!allowed) throw new GatewayError('NOT_FOUND', `${definition.name} has no tool ${name}: ${rule}`)
}

/** One `tools/call` of the gateway's own, within the bounds of a client's. */
export async function callTool(
  lane: Lane,
  name: string,
  args: Readonly<Record<string, unknown>>,
  watch: CallWatch,
): Promise<ToolAnswer> {
  const asked = await lane.askWatched('tools/call', { name, arguments: args }, watch)
  return { result: await asked.answer, text: asked.resultText }
}

/** Tools that are kept; those beyond are called without marks. */
const toolsMax = 10_000
/** A list is not read again sooner than this, whoever complains about it. */
const rereadMsMin = 2_000

/**
 * What the gateway must know of a server's tools: which arguments travel as headers, which results are wrapped.
 * Read when it is first needed, again after a change and when a call was refused for its headers.
 */
export class ToolTable {
  readonly #ask: AskForTools
  readonly #byName = new Map<string, ToolFacts>()
  #reading: Promise<void> | null = null
  #complete = false
  #readAtMs = Number.NEGATIVE_INFINITY

  /** `ask` sends `tools/list` with these parameters. */
  constructor(ask: AskForTools) {
    this.#ask = ask
  }

  /** What is known already; undefined when the list was never read. */
  known(name: string): ToolFacts | null | undefined {
    return this.#byName.get(name) ?? (this.#complete ? null : undefined)
  }

  learn(tools: readonly ToolFacts[]): void {
    for (const tool of tools) if (this.#byName.size < toolsMax) this.#byName.set(tool.name, tool)
  }

  /** The list may have changed. */
  forget(): void {
    this.#complete = false
    this.#readAtMs = Number.NEGATIVE_INFINITY
    this.#byName.clear()
  }

  /** Reads every page anew, once for all who wait, and answers the tool. */
  async reread(name: string): Promise<ToolFacts | null> {
    if (!this.#reading && performance.now() - this.#readAtMs >= rereadMsMin) {
      this.#reading = this.#read()
        .catch(() => {})
        .finally(() => {
          this.#readAtMs = performance.now()
          this.#reading = null
        })
    }
    await this.#reading
    return this.#byName.get(name) ?? null
  }

  async #read(): Promise<void> {
    const tools: ToolFacts[] = []
    for await (const page of toolPages(this.#ask)) {
      for (const tool of legacyTools(page.resultText, true)?.tools ?? []) tools.push(tool)
      if (tools.length >= toolsMax) break
    }
    this.#byName.clear()
    this.learn(tools)
    this.#complete = true
  }
}
