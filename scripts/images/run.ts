/** Runs one program to its end, for scripts: what it prints goes to a log file, not to the terminal. */
import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

export interface RunOptions {
  readonly cwd?: string
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Where everything it prints is appended. */
  readonly log: string
}

/** Its standard output, trimmed. Throws with the end of its output when it fails. */
export function run(command: readonly string[], { cwd, env, log }: RunOptions): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const printed = withoutHosts(`${stdout}${stderr}`)
  mkdirSync(dirname(log), { recursive: true })
  appendFileSync(log, `$ ${command.join(' ')}\n${printed}\n`)
  if (exitCode !== 0) {
    const end = printed.trim().split('\n').slice(-15).join('\n')
    throw new Error(`${command.slice(0, 4).join(' ')} … ended with ${exitCode}:\n${end}\n(all of it: ${log})`)
  }
  return stdout.toString().trim()
}

/** A log travels further than the machine: where its packages come from is nobody's business. */
function withoutHosts(text: string): string {
  return text.replace(/\b(https?:\/\/)[^\s/"']+/g, '$1…')
}
