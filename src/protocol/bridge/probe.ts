/**
 * Which era a server belongs to, judged from its answer to one `server/discover`.
 *
 * Only positive evidence makes a server modern, and only an answer that a legacy server could have given
 * makes it legacy: walls, outages and overload say nothing, and a verdict is never drawn from them.
 *
 * Spec: 2026-07-28, basic/transports/stdio and basic/transports/streamable-http, Backward Compatibility.
 */
import { claimedEra, legacyVersions, modernErrorCodes, rpcCodes } from '../eras.ts'
import { isObject } from '../json.ts'
import { parsed } from '../spans.ts'
import { factsOfDiscover } from './facts.ts'
import type { ServerFacts } from './types.ts'

export type ProbeOutcome =
  /** A JSON-RPC result, as JSON text. */
  | { readonly kind: 'result'; readonly result: string }
  /** A JSON-RPC error, whatever carried it; `status` is the HTTP status, or null on stdio. */
  | { readonly kind: 'error'; readonly code: number; readonly data: unknown; readonly status: number | null }
  /** An HTTP response that is no JSON-RPC. */
  | { readonly kind: 'http'; readonly status: number }
  /** The other end closed, or said nothing in time. */
  | { readonly kind: 'silence' }

export type ProbeVerdict =
  /** Modern; without facts when it is modern by its error alone. */
  | { readonly kind: 'modern'; readonly facts: ServerFacts | null }
  /** Modern, in revisions that the gateway does not speak. */
  | { readonly kind: 'unspoken'; readonly versions: readonly string[] }
  | { readonly kind: 'legacy' }
  /** No evidence: ask again later. */
  | { readonly kind: 'unknown' }

/** Statuses below 500 that say nothing about the era: authentication, proxies, haste. */
const silentStatuses: ReadonlySet<number> = new Set([401, 403, 407, 408, 421, 425, 429])

/** Judges one probe. */
export function judgeProbe(outcome: ProbeOutcome, transport: 'stdio' | 'http'): ProbeVerdict {
  switch (outcome.kind) {
    case 'result':
      return judgeResult(outcome.result)
    case 'error':
      if (saysNothing(outcome.status)) return { kind: 'unknown' }
      if (outcome.code === rpcCodes.unsupportedVersion) return judgeVersions(outcome.data)
      return modernErrorCodes.has(outcome.code) ? { kind: 'modern', facts: null } : { kind: 'legacy' }
    case 'http':
      return saysNothing(outcome.status) ? { kind: 'unknown' } : { kind: 'legacy' }
    case 'silence':
      // Old servers end, or wait, on anything before initialize; a deployed HTTP server answers.
      return transport === 'stdio' ? { kind: 'legacy' } : { kind: 'unknown' }
  }
}

function saysNothing(status: number | null): boolean {
  if (status === null) return false
  return status >= 500 || (status >= 300 && status < 400) || silentStatuses.has(status)
}

function judgeResult(text: string): ProbeVerdict {
  const facts = factsOfDiscover(text)
  if (facts !== null) return { kind: 'modern', facts }
  const result = parsed(text)
  return isObject(result) ? byVersions(result['supportedVersions']) : { kind: 'legacy' }
}

function judgeVersions(data: unknown): ProbeVerdict {
  return byVersions(isObject(data) ? data['supported'] : undefined)
}

function byVersions(list: unknown): ProbeVerdict {
  const versions = Array.isArray(list) ? list.filter((version) => typeof version === 'string') : []
  const modern = versions.filter((version) => claimedEra(version) === 'modern')
  return modern.length > 0 ? { kind: 'unspoken', versions: modern } : { kind: 'legacy' }
}

/** Whether a refusal of `initialize` is one that only a server without a handshake gives. */
export function saysStateless(rpcCode: number): boolean {
  return modernErrorCodes.has(rpcCode)
}

/**
 * The newest version with a handshake that a refusal of `initialize` names and the gateway speaks, beside the one
 * that was asked for; null where there is none. `data` is that of the error, `said` its text: some servers name
 * their versions in words alone.
 */
export function versionInstead(asked: string, data: unknown, said: string): string | null {
  const named = versionsNamed(data, said)
  return legacyVersions.find((version) => version !== asked && named.includes(version)) ?? null
}

/** The versions that a refusal of `initialize` names, in its data or in its words. */
export function versionsNamed(data: unknown, said: string): readonly string[] {
  const { supported, supportedVersions, supportedProtocolVersions } = isObject(data) ? data : {}
  const listed = [supported, supportedVersions, supportedProtocolVersions].find((list) => Array.isArray(list))
  return (
    listed?.filter((version): version is string => typeof version === 'string') ??
    said.match(/\d{4}-\d{2}-\d{2}/g) ??
    []
  )
}
