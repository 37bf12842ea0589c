/**
 * What the gateway must know of a server's tools: which arguments travel as headers, which results are wrapped.
 * Read when it is first needed, again after a change and when a call was refused for its headers.
 */
import { legacyTools } from '../../protocol/bridge/results.ts'
import type { ToolFacts } from '../../protocol/bridge/types.ts'
import type { GatewayCall } from '../connection/calls.ts'
import { TOOL_LIST_CHARS_MAX } from './tools.ts'

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
