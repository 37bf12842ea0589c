/** The hidden command that the gateway starts itself with; see upstream/watchdog.ts. */
import { endOrphans } from '../upstream/orphan-killer.ts'

/** Does not return: ends the process when there is nothing left to watch. */
export async function runWatchdog(): Promise<never> {
  await endOrphans(Bun.stdin.stream())
  process.exit(0)
}
