/** Shows something again and again: over itself in a terminal that can, else anew each time that it has changed. */
import { printable } from '../../telemetry/printable.ts'
import { complain, standardOutput, type Terminal } from './terminal.ts'

export interface Watched<T> {
  readonly intervalMs: number
  look(): Promise<T>
  /** What changes when there is news. */
  key(seen: T): string
  show(seen: T, terminal: Terminal): string
  /** Whether it may be drawn over itself. */
  readonly redraw: boolean
}

const home = '\u001b[H'
const restOfLine = '\u001b[K'
const restOfScreen = '\u001b[J'

/** Goes on until the process is ended. A look that fails is told and made again; the first one must succeed. */
export async function watch<T>(watched: Watched<T>): Promise<never> {
  let seen = await watched.look()
  let shownKey: string | null = null
  let failure = ''
  for (;;) {
    const terminal = standardOutput()
    if (watched.redraw && terminal.redraws) draw(watched.show(seen, terminal), failure)
    else if (watched.key(seen) !== shownKey) {
      if (shownKey !== null && watched.redraw) console.log('')
      console.log(watched.show(seen, terminal))
      shownKey = watched.key(seen)
    }
    await Bun.sleep(watched.intervalMs)
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

/** One write, so that nothing flickers; what does not fit the screen is left out and counted. */
function draw(text: string, failure: string): void {
  const rows = process.stdout.rows > 0 ? process.stdout.rows : 24
  const lines = [...text.split('\n'), ...(failure === '' ? [] : ['', `compozy: ${printable(failure)}`])]
  const room = rows - 1
  const shown =
    lines.length > room ? [...lines.slice(0, room - 1), `… ${lines.length - room + 1} lines more`] : lines
  process.stdout.write(`${home}${shown.join(`${restOfLine}\n`)}${restOfLine}\n${restOfScreen}`)
}
