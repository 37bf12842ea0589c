import { commandOf, type GatewayForm } from '../support/gateway.ts'

export interface Finished {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly via?: GatewayForm
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** On its standard input. */
  readonly input?: string
}

/** Runs `compozy ARGS` to its end, in an environment that holds nothing else. */
export async function runCommand(args: readonly string[], options: CommandOptions): Promise<Finished> {
  const child = Bun.spawn([...commandOf(options.via ?? 'executable'), ...args], {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: options.cwd, ...options.env },
    stdin: options.input === undefined ? 'ignore' : Buffer.from(options.input),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { exitCode, stdout, stderr }
}
