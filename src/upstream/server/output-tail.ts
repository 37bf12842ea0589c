/** The last lines that a server wrote for people: what explains a failure to whoever reads its status. */
import type { ServerDefinition } from '../../registry/definition.ts'
import type { Log } from '../../telemetry/log.ts'
import { type Mask, maskStart } from '../../telemetry/redaction.ts'

const linesMax = 50
const lineCharsMax = 500
/** What is kept and logged of one server's lines in a second; looking for secrets costs the most of it. */
const linesPerSecondMax = 500
const charsPerSecondMax = 256 * 1024

export class OutputTail {
  readonly #definition: ServerDefinition
  readonly #mask: Mask
  readonly #log: Log
  readonly #lines: string[] = []
  #secondStartMs = 0
  #linesInSecond = 0
  #charsInSecond = 0
  #left = 0

  constructor(definition: ServerDefinition, mask: Mask, log: Log) {
    this.#definition = definition
    this.#mask = mask
    this.#log = log
  }

  add(line: string): void {
    const nowMs = performance.now()
    if (nowMs - this.#secondStartMs >= 1_000) {
      const left = this.#left
      this.#secondStartMs = nowMs
      this.#linesInSecond = this.#charsInSecond = this.#left = 0
      if (left > 0) this.#add(`(${left} lines of output dropped: more than the log takes)`)
    }
    if (this.#linesInSecond >= linesPerSecondMax || this.#charsInSecond >= charsPerSecondMax) {
      this.#left++
      return
    }
    this.#linesInSecond++
    this.#charsInSecond += line.length
    this.#add(line)
  }

  #add(line: string): void {
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
