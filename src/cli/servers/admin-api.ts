/** The admin API of a running gateway, as the commands under `compozy servers` use it. */

import type { ArgsDef } from 'citty'
import type { FlagTexts } from '../../config/load.ts'
import { settings } from '../../config/schema.ts'
import { CommandError } from '../../errors.ts'
import type { ErrorAnswer } from '../../http/api/answers.ts'
import { isObject } from '../../protocol/json.ts'
import { printableJson } from '../../telemetry/printable.ts'
import { findingFlags, urlFlag } from '../config-flags.ts'
import { addressOf, gatewayUrl, readSettings } from '../configuration.ts'
import { directWhenLocal, unreachableReason } from '../gateway-fetch.ts'

/** Longer than the gateway's own bounds for a call or a list; a person has Ctrl+C. */
const answerMsMax = 4 * 3_600_000

export const adminFlags: ArgsDef = {
  url: urlFlag,
  token: {
    type: 'string',
    valueHint: 'token',
    description: 'Admin token.\ndefault: the first admin token of the configuration',
  },
  json: { type: 'boolean', description: 'Prints the answer of the admin API as JSON.' },
  ...findingFlags,
}

/**
 * What came over the network in the place of a `T`. Its members have the names of the schema; their values may be
 * anything, because the gateway may be of another version, or none at all.
 */
export type Received<T> = { readonly [Name in keyof T]?: unknown }

export interface AdminApi {
  /** The JSON of a successful answer, an empty map for one without body. Throws a CommandError. */
  request<Answer>(method: string, path: string, body?: unknown): Promise<Received<Answer>>
}

/** Finds the gateway through `--url` and `--token`, or through the configuration. */
export async function adminApi(flags: FlagTexts): Promise<AdminApi> {
  const token = flags['token']?.at(-1)
  const given = flags['url'] !== undefined && token !== undefined
  const found = given
    ? { address: null, bearer: token }
    : await readSettings(flags, (value) => ({
        address: flags['url'] === undefined ? addressOf(value) : null,
        bearer: token ?? value(settings.auth.adminTokens)[0],
      }))
  const base = gatewayUrl(flags, found.address)
  const { bearer } = found
  return { request: (method, path, body) => send(base, bearer, { method, path, body }) }
}

/** True for `--json`. */
export function wantsJson(flags: FlagTexts): boolean {
  return flags['json']?.at(-1) === 'true'
}

/** JSON for programs, and safe for a terminal all the same. */
export function asJson(value: unknown): string {
  return printableJson(JSON.stringify(value, null, 2))
}

interface Call {
  readonly method: string
  readonly path: string
  readonly body: unknown
}

async function send(
  base: string,
  token: string | undefined,
  { method, path, body }: Call,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${base}/admin${path}`, {
    method,
    // A redirect would carry the token somewhere else.
    redirect: 'manual',
    signal: AbortSignal.timeout(answerMsMax),
    ...directWhenLocal(base),
    headers: {
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((thrown: unknown) => {
    throw new CommandError(`no gateway answers at ${base}: ${unreachableReason(thrown)}`)
  })
  const text = await response.text()
  const answer = parsed(text)
  if (response.ok && (answer !== null || text === '')) return answer ?? {}
  const { error, details } = received<ErrorAnswer>(answer)
  const reason = [error, details].filter((part) => typeof part === 'string' && part !== '').join(': ')
  const hint = response.status === 401 ? ' Give one with --token.' : ''
  throw new CommandError(
    reason === ''
      ? `${base} is no gateway, or not its base URL: it answered ${response.status}`
      : `${reason}${hint} (HTTP ${response.status})`,
  )
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

/** A map that came from the network; an empty one in the place of anything else. */
export function received<T>(value: unknown): Received<T> {
  return (isObject(value) ? value : {}) as Received<T>
}

/** The maps in a list that came from the network; anything else in it is left out. */
export function receivedList<T>(value: unknown): Received<T>[] {
  return Array.isArray(value) ? (value.filter(isObject) as Received<T>[]) : []
}

/** A value as a cell of a table: texts and numbers as they are, everything else empty. */
export function cell(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

/** The first line of a text, cut to `lengthMax`. */
export function firstLine(value: unknown, lengthMax: number): string {
  const line = cell(value).trim().split('\n')[0] ?? ''
  return line.length > lengthMax ? `${line.slice(0, lengthMax - 1)}…` : line
}
