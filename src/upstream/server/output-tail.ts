/** The last lines that a server wrote for people: what explains a failure to whoever reads its status. */
import type { ServerDefinition } from '../../registry/definition.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Mask } from '../transports/mask.ts'

const LINES_MAX = 50
const LINE_CHARS_MAX = 500
/** What is read of a line: secrets are taken out before it is cut, because half of one is not recognised. */
const READ_CHARS_MAX = 64 * 1024

export class OutputTail {
  readonly #definition: ServerDefinition
  readonly #mask: Mask
  readonly #log: Log
  readonly #lines: string[] = []

  constructor(definition: ServerDefinition, mask: Mask, log: Log) {
    this.#definition = definition
    this.#mask = mask
    this.#log = log
  }

  add(line: string): void {
    const text = this.#mask(line.slice(0, READ_CHARS_MAX)).slice(0, LINE_CHARS_MAX)
    if (this.#lines.length >= LINES_MAX) this.#lines.shift()
    this.#lines.push(text)
    if (this.#definition.logEnabled)
      this.#log.info({ mcp: this.#definition.name, line: text }, 'server output')
  }

  lines(): string[] {
    return [...this.#lines]
  }
}
