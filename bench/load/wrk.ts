/** Drives an endpoint with wrk, which costs the machine least. Only where every answer comes in its response. */
import { join } from 'node:path'
import type { LoadOptions, LoadResult } from './load.ts'
import { callHeaders, callText } from './mcp-request.ts'

const script = join(import.meta.dir, 'calls.lua')

/** `wrk 4.1.0`, or null where it is not installed. */
export function wrkVersion(): string | null {
  if (Bun.which('wrk') === null) return null
  const { stdout } = Bun.spawnSync(['wrk', '--version'])
  return /^wrk \S+/.exec(stdout.toString())?.[0] ?? 'wrk'
}

/** Rejects when wrk fails. */
export async function driveWithWrk(options: LoadOptions, sessionId: string | null): Promise<LoadResult> {
  const { endpoint, era, argumentsText, connections, seconds } = options
  const { before, after } = callText(era, argumentsText, endpoint.tool)
  const headers = Object.entries(callHeaders(endpoint, era, sessionId))
  const load = Bun.spawn(
    [
      'wrk',
      '-t1',
      `-c${connections}`,
      `-d${Math.max(1, Math.round(seconds))}s`,
      '--timeout',
      '30s',
      '-s',
      script,
      endpoint.url,
    ],
    {
      env: {
        PATH: process.env['PATH'] ?? '',
        BEFORE: before,
        AFTER: after,
        HEADERS: headers.map(([name, value]) => `${name}: ${value}`).join('\n'),
      },
      stdout: 'pipe',
      stderr: 'pipe',
    },
  )
  const text = await new Response(load.stdout).text()
  const [, result] = /^RESULT (.*)$/m.exec(text) ?? []
  if (result === undefined) throw new Error(`wrk: ${text} ${await new Response(load.stderr).text()}`)
  return JSON.parse(result) as LoadResult
}
