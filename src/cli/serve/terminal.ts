/**
 * What HUP means to this process: that its terminal was closed, or that somebody wants its configuration read again.
 *
 * The kernel sends HUP when a terminal goes away, shells pass it on to their jobs, and services are reloaded with it.
 * A process that had a controlling terminal and has none any more was meant to end with it, unless it was started to
 * survive that (`nohup`, which leaves HUP ignored).
 */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'

/** A shell that exits tells its jobs first and gives up its terminal after that. */
const looksMs = [50, 200, 500, 1_000, 2_000] as const

export interface Hangups {
  /** Takes the next HUP: one of `closed` and `asked` is called, or first this and then that. */
  received(): void
}

/** To be called before HUP is handled: a handler takes the place of what was inherited. */
export function watchTerminal(on: { asked(): void; closed(): void }): Hangups {
  const endsWithTerminal = hasTerminal() && !ignoresHangup()
  const gone = (): boolean => endsWithTerminal && !hasTerminal()
  return {
    received() {
      if (gone()) {
        on.closed()
        return
      }
      on.asked()
      if (!endsWithTerminal) return
      for (const ms of looksMs)
        setTimeout(() => {
          if (gone()) on.closed()
        }, ms).unref()
    },
  }
}

/** Whether there is a controlling terminal, whatever the standard streams are. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}

/** Whether HUP was ignored when this process began. Where the system does not say, streams led elsewhere tell it. */
function ignoresHangup(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    return mask !== undefined && (BigInt(`0x${mask}`) & (1n << BigInt(constants.signals.SIGHUP - 1))) !== 0n
  } catch {
    return process.stdin.isTTY !== true && process.stdout.isTTY !== true
  }
}
