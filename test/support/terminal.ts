/** A real terminal: a pseudo-terminal of `script`, whose other end goes when `script` is ended. Linux only. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandOf, poll } from './gateway.ts'
import { type RunningProcess, startProcess } from './process.ts'
import { alive } from './process-facts.ts'

export interface TerminalSession extends AsyncDisposable {
  /** What was typed is what is written here: `\u0003` is Ctrl+C. */
  readonly terminal: RunningProcess
  /** Of the gateway that was started in it. */
  readonly pid: number
  readonly url: string
  /** Ends the terminal, as closing its window does. */
  close(): Promise<void>
}

/** The executable as a word of a shell. */
export const compozy = commandOf('executable')[0] ?? ''

/**
 * Runs a line of a shell in a terminal, and waits for the gateway that it starts with this directory as its HOME. What
 * is left of that ends with the block.
 */
export async function startInTerminal(line: string, directory: string): Promise<TerminalSession> {
  const terminal = startProcess({
    command: ['script', '-qefc', line, '/dev/null'],
    cwd: directory,
    env: { HOME: directory, TERM: 'xterm', SHELL: '/bin/sh' },
    stdin: 'pipe',
  })
  let held: { pid: number; url: string | null } = { pid: 0, url: null }
  await poll('the gateway in the terminal', async () => {
    held = holderIn(directory) ?? held
    return held.url !== null
  }).catch(async (reason) => {
    const lines = terminal.lines().join('\n')
    await terminal.kill()
    throw new Error(`${reason}; it printed:\n${lines}`)
  })
  return {
    terminal,
    pid: held.pid,
    url: held.url ?? '',
    close: () => terminal.kill(),
    async [Symbol.asyncDispose]() {
      await terminal.kill()
      if (alive(held.pid)) process.kill(held.pid, 'SIGTERM')
      await poll('the end of the gateway', async () => !alive(held.pid))
    },
  }
}

/** Who has the state directory below this HOME, as it says itself. */
export function holderIn(home: string): { pid: number; url: string | null } | null {
  const path = join(home, '.local/state/compozy/gateway.json')
  try {
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : null
  } catch {
    return null
  }
}
