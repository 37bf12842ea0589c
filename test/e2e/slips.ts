/** Slips of people who write a configuration, and what a gateway makes of each: it is started with the executable. */
import { expect } from 'bun:test'
import { commandOf } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

export interface Slip {
  readonly why: string
  /** The text of `compozy.yaml`. */
  readonly yaml?: string
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  /** Of the command line 2, of everything else 1. */
  readonly exitCode?: 1 | 2
  /** What stands in the line that it is told with. */
  readonly says: string
}

export const auth = (lines: string) => `mcp_proxy:\n  auth:\n    ${lines}\n`
export const security = (line: string) => `mcp_proxy:\n  security:\n    ${line}\n`
export const server = (fields: string) => `mcps: [{ name: a, transport: stdio, command: cat, ${fields} }]`
export const reference = (inner: string) => `$\{${inner}}`
export const tbxark = (file: object) => ({
  files: { 'config.json': JSON.stringify(file) },
  args: ['--config', 'config.json'],
})

export interface Ended {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a gateway to its end; one that has started is ended, and says so on stdout. */
export async function start({ yaml, files = {}, env = {}, args = [] }: Partial<Slip>): Promise<Ended> {
  using directory = temporaryDirectory({ ...(yaml === undefined ? {} : { 'compozy.yaml': yaml }), ...files })
  const child = Bun.spawn([...commandOf('executable'), 'mcp-proxy', ...args], {
    cwd: directory.path,
    env: { PATH: process.env['PATH'] ?? '', HOME: directory.path, MCP_PROXY_STORAGE_TYPE: 'memory', ...env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  let stdout = ''
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    stdout += chunk
    if (stdout.includes('"listening"')) child.kill('SIGKILL')
  }
  return { stdout, stderr: await new Response(child.stderr).text(), exitCode: await child.exited }
}

/** Nothing listens, the exit code is right, and every line on stderr is one for a person, that of the slip among them. */
export async function expectRefusal({ says, exitCode = 1, ...slip }: Slip): Promise<string> {
  const { stdout, stderr, exitCode: ended } = await start(slip)
  expect({ stdout, ended }).toEqual({ stdout: '', ended: exitCode })
  expect(stderr).toContain(says)
  for (const line of stderr.trimEnd().split('\n')) expect(line).toStartWith('compozy: ')
  return stderr
}
