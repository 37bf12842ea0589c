/** The progress of a call on standard error: in a terminal one line that is drawn over, else a line now and then. */
import { printable } from '../../telemetry/printable.ts'
import { cell, type Received } from '../admin/received.ts'
import { complain, type Terminal, terminalOf } from '../terminal/terminal.ts'
import { cutTo } from '../terminal/text.ts'

/** Between two lines where nothing can be drawn over. */
const pauseMs = 1_000

interface Progress {
  readonly progress: number
  readonly total: number
  readonly message: string
}

export class ProgressLine {
  readonly #terminal: Terminal = terminalOf(process.stderr, process.env)
  #saidAtMs = Number.NEGATIVE_INFINITY
  #drawn = false

  /** One notification: its `params`. */
  step(params: Received<Progress>): void {
    const { progress, total, message } = params
    const counted = cell(total) === '' ? cell(progress) : `${cell(progress)}/${cell(total)}`
    const text = printable([counted, cell(message)].filter((part) => part !== '').join(' '))
    if (this.#terminal.redraws) {
      process.stderr.write(
        `\r${cutTo(text.replaceAll('\n', ' '), (this.#terminal.columns ?? 80) - 1)}\u001b[K`,
      )
      this.#drawn = true
      return
    }
    const nowMs = performance.now()
    if (nowMs - this.#saidAtMs < pauseMs) return
    this.#saidAtMs = nowMs
    complain(text)
  }

  /** Takes the line away. */
  end(): void {
    if (this.#drawn) process.stderr.write('\r\u001b[K')
    this.#drawn = false
  }
}
