/** The hidden command that the gateway starts itself with; see upstream/transports/stdio/watchdog.ts. */
import { endOrphans } from '../../upstream/transports/stdio/orphan-killer.ts'
import { giveBackPages } from './resident-pages.ts'

/** Does not return: ends the process when there is nothing left to watch. */
export async function runWatchdog(): Promise<never> {
  const orphansEnded = endOrphans(Bun.stdin.stream())
  await giveBackPages()
  await orphansEnded
  process.exit(0)
}
