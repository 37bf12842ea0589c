/** The last lines that a server wrote for people: what explains a failure to whoever reads its status. */
import type { ServerDefinition } from '../../registry/definition.ts'
import type { Log } from '../../telemetry/log.ts'
import { type Mask, maskStart } from '../../telemetry/redaction.ts'

const linesMax = 50
const lineCharsMax = 500

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
    const text = maskStart(this.#mask, line, lineCharsMax)
    if (this.#lines.length >= linesMax) this.#lines.shift()
    this.#lines.push(text)
    if (this.#definition.logEnabled)
      this.#log.info({ mcp: this.#definition.name, line: text }, 'server output')
  }

  lines(): string[] {
    return [...this.#lines]
  }
}
