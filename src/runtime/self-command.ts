/** How this program starts itself once more, compiled or from source. */
import { fileURLToPath } from 'node:url'

/** What it does when it was started so; no help names them. */
export const hiddenCommands = { watchdog: '__watchdog', worker: '__worker' } as const

/** The command line for these arguments. */
export function selfCommand(...given: readonly string[]): [string, ...string[]] {
  const compiled = Bun.main.startsWith('/$bunfs/')
  const script = compiled ? [] : [fileURLToPath(new URL('../main.ts', import.meta.url))]
  return [process.execPath, ...script, ...given]
}
