/** One subject under one workload for a few seconds. */
import { cpuTimes, cpuUsBetween, rssMib } from './child-process.ts'
import type { LoadOptions, LoadResult } from './load/load.ts'
import { callHeaders, callText } from './load/mcp-request.ts'
import { endSession, openSession, postTo } from './load/open-session.ts'
import { driveWithSockets } from './load/socket-load.ts'
import { driveWithWrk, wrkVersion } from './load/wrk.ts'
import type { Place } from './subjects/subject.ts'
import type { Workload } from './workloads.ts'

export interface Sample extends LoadResult {
  /** CPU time of the subject's own process for each request, its MCP server not included. */
  readonly cpuUsPerRequest: number | null
  /** Resident memory of that process right after the load. */
  readonly rssMib: number | null
}

export interface MeasureOptions {
  /** Fractions are driven by our own generator: wrk knows whole seconds alone. */
  readonly seconds: number
  readonly warmUpSeconds: number
}

const hasWrk = wrkVersion() !== null

/** Rejects when the subject does not answer this kind of call, with its words. */
export async function measure(place: Place, workload: Workload, options: MeasureOptions): Promise<Sample> {
  const { era, argumentsText, connections, face } = workload
  const sessionId = face === 'stream' && era === 'legacy' ? await openSession(place) : null
  if (face === 'stream') await callOnce(place, workload, sessionId)
  const load: LoadOptions = {
    endpoint: place,
    era,
    argumentsText,
    connections,
    seconds: options.seconds,
    ratePerSecond: null,
  }
  const whole = Number.isInteger(options.seconds) && Number.isInteger(options.warmUpSeconds)
  const drive = hasWrk && whole && face === 'stream' ? driveWithWrk : driveWithSockets
  await drive({ ...load, seconds: options.warmUpSeconds }, sessionId)
  const before = cpuTimes(place.pid)
  const result = await drive(load, sessionId)
  const after = cpuTimes(place.pid)
  const rss = rssMib(place.pid)
  if (sessionId !== null) await endSession(place, sessionId)
  return {
    ...result,
    cpuUsPerRequest:
      before === null || after === null ? null : cpuUsBetween(before, after) / Math.max(1, result.requests),
    rssMib: rss,
  }
}

async function callOnce(
  place: Place,
  { era, argumentsText }: Workload,
  sessionId: string | null,
): Promise<void> {
  const { before, after } = callText(era, argumentsText, place.tool)
  const answer = await postTo(place.url, callHeaders(place, era, sessionId), `${before}1${after}`)
  if (answer.status !== 200 || !answer.text.includes('"content"'))
    throw new Error(`${answer.status} ${answer.text.slice(0, 200)}`)
}
