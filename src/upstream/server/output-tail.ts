/**
 * The last lines that a server wrote for people: what explains a failure to whoever reads its status or its log.
 *
 * One for each name, whoever serves under it: after a restart the last words of the one before are still there, and
 * whoever follows goes on following.
 */
import { GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { Log } from '../../telemetry/log.ts'
import { type Mask, maskStart } from '../../telemetry/redaction.ts'

const lineCharsMax = 500
/** What is kept. */
const linesMax = 200
const charsMax = 64 * 1024
/** What is kept and logged of one server's lines in a second; looking for secrets costs the most of it. */
const linesPerSecondMax = 500
const charsPerSecondMax = 256 * 1024
/** Each costs a connection, and every line is written to all of them. */
const followersMax = 16

/** One line as it may be shown. */
export interface OutputLine {
  /** When it was read, ISO 8601. */
  readonly time: string
  readonly text: string
}

/** Told of new lines, and of the end: the server is removed, or the gateway stops. Must not throw. */
export interface OutputFollower {
  line(line: OutputLine): void
  ended(): void
}

export class OutputTail {
  readonly #log: Log
  readonly #lines: OutputLine[] = []
  readonly #followers = new Set<OutputFollower>()
  #chars = 0
  #secondStartMs = 0
  #linesInSecond = 0
  #charsInSecond = 0
  #left = 0

  constructor(log: Log) {
    this.#log = log
  }

  /** Takes the lines of a server with this definition; `mask` takes its secrets out of them. */
  writerOf(definition: ServerDefinition, mask: Mask): (line: string) => void {
    return (line) => {
      const nowMs = performance.now()
      if (nowMs - this.#secondStartMs >= 1_000) {
        const left = this.#left
        this.#secondStartMs = nowMs
        this.#linesInSecond = this.#charsInSecond = this.#left = 0
        if (left > 0) this.#add(definition, `(${left} lines of output dropped: more than the log takes)`)
      }
      if (this.#linesInSecond >= linesPerSecondMax || this.#charsInSecond >= charsPerSecondMax) {
        this.#left++
        return
      }
      this.#linesInSecond++
      this.#charsInSecond += line.length
      this.#add(definition, maskStart(mask, line, lineCharsMax))
    }
  }

  /** The texts of the last lines, `countMax` at most. */
  texts(countMax: number): string[] {
    return this.#lines.slice(-countMax).map(({ text }) => text)
  }

  lines(): OutputLine[] {
    return [...this.#lines]
  }

  /** Tells `follower` from now on, until the function that is returned is called. Throws IN_FLIGHT_EXHAUSTED at the bound. */
  follow(follower: OutputFollower): () => void {
    if (this.#followers.size >= followersMax) {
      const details = `${followersMax} others follow this server already; end one of them.`
      throw new GatewayError('IN_FLIGHT_EXHAUSTED', details)
    }
    this.#followers.add(follower)
    return () => {
      this.#followers.delete(follower)
    }
  }

  /** Nothing more comes. */
  close(): void {
    for (const follower of this.#followers) follower.ended()
    this.#followers.clear()
  }

  #add({ name, logEnabled }: ServerDefinition, text: string): void {
    const line = { time: new Date().toISOString(), text }
    this.#lines.push(line)
    this.#chars += text.length
    while (this.#lines.length > linesMax || this.#chars > charsMax)
      this.#chars -= this.#lines.shift()?.text.length ?? 0
    for (const follower of this.#followers) follower.line(line)
    if (logEnabled) this.#log.info({ mcp: name, line: text }, 'server output')
  }
}
