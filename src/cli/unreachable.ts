import { reasonOf } from '../errors.ts'

/** Why a request got no answer, in words for a person. */
export function unreachableReason(thrown: unknown): string {
  const code: unknown = thrown instanceof Error ? Reflect.get(thrown, 'code') : undefined
  if (code === 'ECONNREFUSED' || code === 'ConnectionRefused') return 'connection refused'
  if (thrown instanceof Error && thrown.name === 'TimeoutError') return 'no answer in time'
  return reasonOf(thrown)
}
