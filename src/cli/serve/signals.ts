/**
 * What signals mean to a running gateway: TERM and INT end it gracefully, a second one at once. HUP has the log file
 * opened and the configuration read again, or ends the gateway when its terminal was closed (terminal.ts).
 */
import { constants } from 'node:os'
import { formatDuration } from '../../registry/duration.ts'
import type { ServedGateway as Gateway } from './announce.ts'
import { watchTerminal } from './terminal.ts'

/**
 * A signal so close behind the first is its echo: Ctrl+C reaches the gateway from the terminal and once
 * more from `bun run`, which passes it on.
 */
const echoMsMax = 300

/** Longest wait for processes to be killed after a second signal. */
const stopNowMsMax = 1000

/** How often a person at a terminal is told what is still waited for. */
const tellEveryMs = 2_000

/**
 * Resolves with the exit code once the gateway has stopped: 0 after a graceful stop, 128 and the
 * signal's number when a second signal cut it short, 1 when it ended by itself. Handlers are in place
 * at once, so that a signal during the start does not leave children behind.
 */
export function endOnSignals(started: Promise<Gateway>): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  let gateway: Gateway | null = null
  let exitCode: number | null = null
  let firstAtMs = 0
  const stop = (signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP'): void => {
    if (exitCode === null) {
      exitCode = 0
      firstAtMs = performance.now()
      started
        .then((running) => {
          tellWhatIsWaitedFor(running)
          return running.stop()
        })
        .catch(() => resolve(1))
      return
    }
    // A terminal that goes says so more than once, and Ctrl+C may come before it.
    if (signal === 'SIGHUP' || performance.now() - firstAtMs < echoMsMax) return
    exitCode = 128 + constants.signals[signal]
    // With whatever is left after that, the exit itself has to do.
    setTimeout(() => resolve(exitCode ?? 1), gateway === null ? 0 : stopNowMsMax)
    gateway?.stopNow()
  }
  const hangups = watchTerminal({
    closed: () => stop('SIGHUP'),
    asked: () => void started.then(takeAgain).catch(() => {}),
  })
  process.on('SIGTERM', () => stop('SIGTERM'))
  process.on('SIGINT', () => stop('SIGINT'))
  process.on('SIGHUP', () => hangups.received())
  started.then(
    (running) => {
      gateway = running
      running.stopped.then(
        () => resolve(exitCode ?? 1),
        () => resolve(1),
      )
    },
    // Whoever awaits the start reports this.
    () => resolve(1),
  )
  return promise
}

/** The log says what came of it, in the file that was just opened. */
async function takeAgain(gateway: Gateway): Promise<void> {
  gateway.reopenFiles()
  await gateway.reload({ shown: 'SIGHUP', deliberate: true })
}

/** Not the console, which colours what it writes to a terminal, welcome or not. */
function say(text: string): void {
  process.stderr.write(`compozy: ${text}\n`)
}

/** For whoever has pressed Ctrl+C: at once what keeps the gateway, and again as long as it does. */
function tellWhatIsWaitedFor(gateway: Gateway): void {
  if (process.stderr.isTTY !== true) return
  const untilMs = performance.now() + gateway.shutdownTimeoutMs
  const tell = (): void => {
    const calls = [...gateway.callsInFlight()]
    const leftMs = untilMs - performance.now()
    if (calls.length === 0 || leftMs < 0) return
    const count = calls.reduce((sum, [, ofServer]) => sum + ofServer, 0)
    const names = calls.map(([name, ofServer]) => `${name}: ${ofServer}`).join(', ')
    const most = formatDuration(Math.ceil(leftMs / 1000) * 1000)
    say(
      `stopping; ${count} ${count === 1 ? 'call' : 'calls'} in flight (${names}) may take ${most} more. Ctrl+C again ends at once.`,
    )
  }
  say('stopping')
  tell()
  const timer = setInterval(tell, tellEveryMs)
  timer.unref()
}
