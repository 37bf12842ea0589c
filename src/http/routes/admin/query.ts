/** Query parameters of admin requests, read within their bounds. Those that nobody knows are passed over. */
import { GatewayError } from '../../../errors.ts'
import { formatDuration, parseDuration } from '../../../registry/duration.ts'

/** The last value of a parameter, or null without one. */
export function queryText(request: Request, name: string): string | null {
  return new URL(request.url).searchParams.getAll(name).at(-1) ?? null
}

/** True for `?name`, `?name=true` and `?name=1`; throws BAD_REQUEST for what is no switch. */
export function querySwitch(request: Request, name: string): boolean {
  const text = queryText(request, name)
  if (text === null || text === 'false' || text === '0') return false
  if (text === '' || text === 'true' || text === '1') return true
  throw new GatewayError('BAD_REQUEST', `${name}: is a switch; write ?${name} or ?${name}=true.`)
}

/** A duration up to `msMax` in milliseconds, or null without one; throws BAD_REQUEST for anything else. */
export function queryDurationMs(request: Request, name: string, msMax: number): number | null {
  const text = queryText(request, name)
  if (text === null) return null
  const ms = parseDuration(text)
  if (ms !== null && ms <= msMax) return ms
  throw new GatewayError(
    'BAD_REQUEST',
    `${name}: must be a duration of at most ${formatDuration(msMax)}, such as ?${name}=3s.`,
  )
}
