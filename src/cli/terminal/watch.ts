/** Shows something again and again: over itself in a terminal that can, else anew each time that it has changed. */

import { printable } from '../../telemetry/printable.ts'
import { endWithReader, print, printAsIs, readerHasLeft } from './output.ts'
import { complain, standardOutput, type Terminal } from './terminal.ts'

export interface Watched<T> {
  /** Longest pause between two looks, or between two drawings where nothing has happened. */
  readonly intervalMs: number
  look(): Promise<T>
  /** Yields whenever a look is worth while. It may fail; then a look is made at each interval. */
  news(): AsyncIterable<unknown>
  /** What changes when there is something new to print. */
  key(seen: T): string
  show(seen: T, terminal: Terminal): string
  /** Whether it may be drawn over itself. */
  readonly redraw: boolean
}

/** Between two looks, however much happens. */
const pauseMs = 200

/** Goes on until the process is ended, or nobody reads any more. A look that fails is told and made again; the first one must succeed. */
export async function watch<T>(watched: Watched<T>): Promise<number> {
  await endWithReader()
  const news = new News(() => watched.news())
  let seen = await watched.look()
  let shownKey: string | null = null
  let failure = ''
  for (;;) {
    const terminal = standardOutput()
    if (watched.redraw && terminal.redraws) draw(watched.show(seen, terminal), failure)
    else if (watched.key(seen) !== shownKey) {
      if (shownKey !== null && watched.redraw) print('')
      print(watched.show(seen, terminal))
      shownKey = watched.key(seen)
    }
    if (readerHasLeft()) return 0
    news.listen()
    if (!(await news.within(watched.intervalMs))) continue
    await Bun.sleep(pauseMs)
    try {
      seen = await watched.look()
      failure = ''
    } catch (thrown) {
      const said = thrown instanceof Error ? thrown.message : String(thrown)
      if (said !== failure && !terminal.redraws) complain(`compozy: ${printable(said)}`)
      failure = said
    }
  }
}

/** Whether anything has happened, as far as somebody tells. */
class News {
  readonly #open: () => AsyncIterable<unknown>
  #listening = false
  /** False once nobody tells: then every interval counts as news. */
  #told = true
  #happened = false
  #wake: () => void = () => {}

  constructor(open: () => AsyncIterable<unknown>) {
    this.#open = open
  }

  /** Listens, unless it does already. */
  listen(): void {
    if (this.#listening || !this.#told) return
    this.#listening = true
    void this.#hear()
  }

  /** True as soon as something has happened, and after `waitMs` where nobody tells; false after it otherwise. */
  async within(waitMs: number): Promise<boolean> {
    if (!this.#happened) {
      await Promise.race([Bun.sleep(waitMs), new Promise<void>((resolve) => (this.#wake = resolve))])
    }
    const worthWhile = this.#happened || !this.#told || !this.#listening
    this.#happened = false
    return worthWhile
  }

  async #hear(): Promise<void> {
    let heard = false
    try {
      for await (const _ of this.#open()) {
        heard = true
        this.#happened = true
        this.#wake()
      }
    } catch {
      // A gateway that is gone comes back; one that has never told anything never will.
      this.#told = heard
    }
    this.#listening = false
  }
}

const home = '\u001b[H'
const restOfLine = '\u001b[K'
const restOfScreen = '\u001b[J'

/** One write, so that nothing flickers; what does not fit the screen is left out and counted. */
function draw(text: string, failure: string): void {
  const rows = process.stdout.rows > 0 ? process.stdout.rows : 24
  const lines = [...text.split('\n'), ...(failure === '' ? [] : ['', `compozy: ${printable(failure)}`])]
  const room = rows - 1
  const shown =
    lines.length > room ? [...lines.slice(0, room - 1), `… ${lines.length - room + 1} lines more`] : lines
  printAsIs(`${home}${shown.join(`${restOfLine}\n`)}${restOfLine}\n${restOfScreen}`)
}
