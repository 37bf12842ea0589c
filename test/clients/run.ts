/** Runs client programs, each against a server of its own: direct, and behind a gateway of its own. */
import { join } from 'node:path'
import { startGatewayProcess } from '../support/gateway.ts'
import { startProcess } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import type { Endpoint, OfficialClient } from './clients.ts'
import { type FeatureName, gatewayOnly, type Outcome, type Outcomes, readLine } from './features.ts'

/** A whole run of one program; single features are bounded in the programs. */
const runMs = 90_000
const featureServer = join(import.meta.dir, 'servers', 'feature-server.ts')
/** Secret to nobody: it shows that a client's way to send one works. */
const token = 'features-token'

/** How a server is started on a pipe: its command line. */
export type PipeCommand = readonly string[]

/** The server that all clients are tried against. */
export function featureServerOnPipe(marks: string): PipeCommand {
  return [process.execPath, featureServer, 'stdio', marks]
}

/** One client at one endpoint, both ways. */
export interface Pair {
  readonly client: OfficialClient
  readonly endpoint: Endpoint
  readonly direct: Outcomes
  readonly proxied: Outcomes
}

/** Both ways side by side. Installs the client when it is not there. */
export async function runPair(client: OfficialClient, endpoint: Endpoint): Promise<Pair> {
  const command = await client.command()
  using marks = temporaryDirectory()
  const [direct, proxied] = await Promise.all([
    runDirect(client, command, endpoint, marks.path),
    runProxied(client, command, endpoint, featureServerOnPipe(marks.path)),
  ])
  return { client, endpoint, direct, proxied }
}

async function runDirect(
  client: OfficialClient,
  command: readonly string[],
  endpoint: Endpoint,
  marks: string,
): Promise<Outcomes> {
  await using server = startProcess({ command: [process.execPath, featureServer, 'http', marks] })
  const urls = JSON.parse(await server.line((line) => line.startsWith('{'))) as Record<Endpoint, string>
  return await runProgram([...command, endpoint, urls[endpoint], token, ...client.words], gatewayOnly)
}

/** The client against a server on a pipe, behind the executable. */
export async function runProxied(
  client: OfficialClient,
  command: readonly string[],
  endpoint: Endpoint,
  server: PipeCommand,
): Promise<Outcomes> {
  const [program = '', ...args] = server
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcps: [{ name: 'features', transport: 'stdio', command: program, args }] },
    env: { MCP_PROXY_GLOBAL_AUTH_TOKENS: token },
  })
  const url = gateway.face('features', endpoint).href
  return await runProgram([...command, endpoint, url, token, ...client.words], new Set())
}

async function runProgram(command: readonly string[], skipped: ReadonlySet<FeatureName>): Promise<Outcomes> {
  const outcomes = new Map<FeatureName, Outcome>()
  await using program = startProcess({
    command,
    env: { SKIPPED: [...skipped].join(' '), HOME: process.env['HOME'] ?? '', PYTHONDONTWRITEBYTECODE: '1' },
  })
  const ended = await Promise.race([program.exited, Bun.sleep(runMs).then(() => null)])
  await program.kill()
  for (const line of program.lines()) {
    const told = readLine(line)
    if (told !== null) outcomes.set(told.feature, told.outcome)
  }
  if (ended !== 0) outcomes.set('initialize', brokenOff(program.lines(), ended, outcomes.get('initialize')))
  return outcomes
}

/** A program that did not come to its end has failed, whatever it told before. */
function brokenOff(lines: readonly string[], code: number | null, before: Outcome | undefined): Outcome {
  if (before?.ok === false) return before
  const how = code === null ? `did not end within ${runMs / 1000} s` : `ended with ${code}`
  return { ok: false, detail: `the program ${how}: ${lines.slice(-5).join(' ')}`.slice(0, 600) }
}
