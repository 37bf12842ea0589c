/**
 * What signals mean to a running gateway: TERM and INT end it gracefully, a second one at once, HUP
 * reads the configuration again.
 */
import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import type { Config } from '../../config/schema.ts'
import { reasonOf } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { say } from './announce.ts'

export interface SignalOptions {
  readonly reload: () => Promise<Config>
  readonly logging: Config['logging']
}

/**
 * A signal so close behind the first is its echo: Ctrl+C reaches the gateway from the terminal and once
 * more from `bun run`, which passes it on.
 */
const echoMsMax = 300

/** Longest wait for processes to be killed after a second signal. */
const stopNowMsMax = 1000

/**
 * Resolves with the exit code once the gateway has stopped: 0 after a graceful stop, 128 and the
 * signal's number when a second signal cut it short, 1 when it ended by itself. Handlers are in place
 * at once, so that a signal during the start does not leave children behind.
 */
export function endOnSignals(started: Promise<Gateway>, options: SignalOptions): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>()
  let gateway: Gateway | null = null
  let exitCode: number | null = null
  let firstAtMs = 0
  const stop = (signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP'): void => {
    if (exitCode === null) {
      exitCode = 0
      firstAtMs = performance.now()
      started.then((running) => running.stop()).catch(() => resolve(1))
      return
    }
    if (performance.now() - firstAtMs < echoMsMax) return
    exitCode = 128 + constants.signals[signal]
    // With whatever is left after that, the exit itself has to do.
    setTimeout(() => resolve(exitCode ?? 1), gateway === null ? 0 : stopNowMsMax)
    gateway?.stopNow()
  }
  let reloading = Promise.resolve()
  const reload = (): void => {
    // One after the other: two at once could leave the older configuration in force.
    reloading = reloading.then(() => reloadOnce(started, options))
  }
  process.on('SIGTERM', () => stop('SIGTERM'))
  process.on('SIGINT', () => stop('SIGINT'))
  process.on('SIGHUP', () => (terminalGone() ? stop('SIGHUP') : reload()))
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

async function reloadOnce(started: Promise<Gateway>, { reload, logging }: SignalOptions): Promise<void> {
  try {
    const gateway = await started
    gateway.reload(await reload())
    say(logging, 'info', 'configuration read again', {})
  } catch (thrown) {
    say(logging, 'error', 'configuration not taken, the old one stays', { reason: reasonOf(thrown) })
  }
}

/** A closed terminal sends HUP as well; a gateway started by hand in it should not outlive it. */
function terminalGone(): boolean {
  if (process.stdin.isTTY !== true) return false
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return false
  } catch {
    return true
  }
}
