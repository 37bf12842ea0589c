/** Tools of one server, as the admin API and the tool filter see them. */
import { GatewayError } from '../../errors.ts'
import { legacyTools } from '../../protocol/bridge/results.ts'
import type { ToolFacts } from '../../protocol/bridge/types.ts'
import { memberSpan, replaceSpan, skipValue, stringAt } from '../../protocol/jsonrpc.ts'
import type { ToolFilter } from '../../registry/definition.ts'
import { type GatewayCall, isRecord } from '../connection/calls.ts'
import type { Lane } from '../lane/lane.ts'
import type { ToolDescription } from './directory.ts'

/** A server that hands out pages without end is stopped here. */
const TOOL_PAGES_MAX = 1_000
/** Characters of all pages together: each may be as large as one message. */
export const TOOL_LIST_CHARS_MAX = 64 * 1024 * 1024

/**
 * Whether a filter lets a tool through; no filter lets everything through. `null` is a name that cannot be
 * told (given twice, or no text): the server might read one that is hidden, so no filter lets it through.
 */
export function allowsTool(filter: ToolFilter | null, toolName: string | null): boolean {
  if (!filter) return true
  return toolName !== null && filter.list.includes(toolName) === (filter.mode === 'allow')
}

/** Every page of `tools/list`. Rejects with a GatewayError, also when the server's cursors go in circles. */
export async function listTools(lane: Lane, timeoutMs: number): Promise<ToolDescription[]> {
  const tools: ToolDescription[] = []
  const seen = new Set<string>()
  let cursor: string | null = null
  let chars = 0
  for (let page = 0; page < TOOL_PAGES_MAX; page++) {
    const asked = await lane.ask('tools/list', cursor === null ? undefined : { cursor }, timeoutMs)
    const result = await asked.answer
    chars += asked.resultText.length
    if (chars > TOOL_LIST_CHARS_MAX)
      throw new GatewayError('UPSTREAM_ERROR', `tools/list is larger than ${TOOL_LIST_CHARS_MAX} characters`)
    for (const tool of Array.isArray(result['tools']) ? result['tools'] : [])
      if (isRecord(tool) && typeof tool['name'] === 'string') tools.push({ ...tool, name: tool['name'] })
    const next = result['nextCursor']
    if (typeof next !== 'string') return tools
    if (seen.has(next)) throw new GatewayError('UPSTREAM_ERROR', 'tools/list gave the same cursor twice')
    seen.add(next)
    cursor = next
  }
  throw new GatewayError('UPSTREAM_ERROR', `tools/list has more than ${TOOL_PAGES_MAX} pages`)
}

/** One `tools/call` of the gateway's own. */
export async function callTool(
  lane: Lane,
  name: string,
  args: Readonly<Record<string, unknown>>,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  const asked = await lane.ask('tools/call', { name, arguments: args }, timeoutMs)
  return asked.answer
}

/** A `tools/list` response without the tools that the filter hides; every other byte stays. */
export function filterToolList(text: string, filter: ToolFilter): string {
  const result = memberSpan(text, 0, 'result')
  const tools = result && memberSpan(text, result.start, 'tools')
  if (!tools || text[tools.start] !== '[') return text
  const kept: string[] = []
  let at = tools.start + 1
  while (at < tools.end - 1) {
    const code = text.charCodeAt(at)
    if (code <= 32 || code === 44) {
      at++
      continue
    }
    const end = skipValue(text, at)
    if (end < 0) return text
    const name = memberSpan(text, at, 'name')
    const toolName = name && stringAt(text, name.start, name.end)
    if (allowsTool(filter, toolName)) kept.push(text.slice(at, end))
    at = end
  }
  return replaceSpan(text, tools, `[${kept.join(',')}]`)
}

/** Tools that are kept; those beyond are called without marks. */
const TOOLS_MAX = 10_000
const PAGES_MAX = 1_000
/** A list is not read again sooner than this, whoever complains about it. */
const REREAD_MS_MIN = 2_000

export class ToolTable {
  readonly #ask: (params: Record<string, unknown> | undefined) => Promise<GatewayCall>
  readonly #byName = new Map<string, ToolFacts>()
  #reading: Promise<void> | null = null
  #complete = false
  #readAtMs = 0

  /** `ask` sends `tools/list` with these parameters. */
  constructor(ask: (params: Record<string, unknown> | undefined) => Promise<GatewayCall>) {
    this.#ask = ask
  }

  /** What is known already; undefined when the list was never read. */
  known(name: string): ToolFacts | null | undefined {
    return this.#byName.get(name) ?? (this.#complete ? null : undefined)
  }

  learn(tools: readonly ToolFacts[]): void {
    for (const tool of tools) if (this.#byName.size < TOOLS_MAX) this.#byName.set(tool.name, tool)
  }

  /** The list may have changed. */
  forget(): void {
    this.#complete = false
    this.#readAtMs = 0
    this.#byName.clear()
  }

  /** Reads every page anew, once for all who wait, and answers the tool. */
  async reread(name: string): Promise<ToolFacts | null> {
    if (!this.#reading && Date.now() - this.#readAtMs >= REREAD_MS_MIN) {
      this.#reading = this.#read()
        .catch(() => {})
        .finally(() => {
          this.#readAtMs = Date.now()
          this.#reading = null
        })
    }
    await this.#reading
    return this.#byName.get(name) ?? null
  }

  async #read(): Promise<void> {
    const tools: ToolFacts[] = []
    let cursor: string | null = null
    let chars = 0
    for (let page = 0; page < PAGES_MAX && tools.length < TOOLS_MAX && chars <= TOOL_LIST_CHARS_MAX; page++) {
      const call: GatewayCall = await this.#ask(cursor === null ? undefined : { cursor })
      chars += call.resultText.length
      const list = legacyTools(call.resultText, true)
      for (const tool of list?.tools ?? []) tools.push(tool)
      const next: unknown = (await call.answer)['nextCursor']
      if (typeof next !== 'string' || next === cursor) break
      cursor = next
    }
    this.#byName.clear()
    this.learn(tools)
    this.#complete = true
  }
}
