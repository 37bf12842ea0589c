/** When to look again for a server that was lost. */
import { GatewayError } from '../errors.ts'

const RETRY_MS_MIN = 250
const RETRY_MS_MAX = 30_000

/** The pause that a failed attempt asks for, in milliseconds, within bounds. */
export function retryMs(thrown: unknown): number {
  const seconds = thrown instanceof GatewayError ? (thrown.retryAfterSeconds ?? 1) : 1
  return Math.min(RETRY_MS_MAX, Math.max(RETRY_MS_MIN, seconds * 1000))
}
