/**
 * Puts stored secrets back where an incoming definition still shows their masks.
 *
 * The attack: an admin who may not read secrets sends back what GET showed with another host, command or
 * variable, and whoever is there is handed the stored token. A secret therefore goes back only to the place
 * that it was stored for: one in `url` and `headers` to the same transport, origin and `tls`, one in `command`,
 * `args` and `env` to the same transport, command line and environment, entry for entry. Any entry counts,
 * added, changed or gone: `NODE_OPTIONS`, `HTTPS_PROXY` or `API_BASE_URL` turn the same command into another
 * receiver, and no list of such names is complete. `authTokens` open a door of the gateway and are sent
 * nowhere, so they stay whatever else changes.
 *
 * Pure; the input is untrusted JSON of any shape, and what does not look as expected passes through for
 * `parseDefinition` to refuse, as it does every mask that stays.
 */
import { isDeepStrictEqual } from 'node:util'
import { isObject } from '../protocol/json.ts'
import type { ServerDefinition } from './definition.ts'
import { isMasked, joinUrl, maskArgs, maskText, maskUrl, maskValue, secretMask, splitUrl } from './mask.ts'
import { mergedOAuth } from './oauth/oauth-schema.ts'
import { asWritten, maskedAround } from './secrets/references.ts'
import { tlsToWire } from './secrets/tls-files.ts'
import { wireSpelling } from './wire-spelling.ts'

type Fields = Readonly<Record<string, unknown>>

/** What is sent to the server of `url`. */
const sentFields: ReadonlySet<string> = new Set(['url', 'headers', 'oauth'])
/** What the process is started with. */
const startedFields: ReadonlySet<string> = new Set(['command', 'args', 'env'])

/** The incoming wire form with every mask replaced by the value that was stored for the same place. */
export function mergeMasked(sentBack: unknown, resolved: ServerDefinition): unknown {
  // What was shown is the reference to a secret, and that is what goes back.
  const stored = asWritten(resolved)
  // Another spelling of what is stored is no change.
  const incoming = wireSpelling(sentBack)
  if (!isObject(incoming)) return incoming
  const restore: Readonly<Record<string, (value: unknown) => unknown>> = {
    command: (value) => (value === maskText(stored.command) ? stored.command : value),
    url: (value) => (typeof value === 'string' ? mergeUrl(value, stored.url) : value),
    args: (value) => (Array.isArray(value) ? mergeArgs(value, stored.args) : value),
    env: (value) => mergeMap(value, stored.env, (name) => name),
    headers: (value) => mergeMap(value, stored.headers, (name) => name.toLowerCase()),
    oauth: (value) => mergedOAuth(value, stored.oauth),
    authTokens: (value) => (Array.isArray(value) ? mergeTokens(value, stored.authTokens) : value),
  }
  const sent = Object.entries(incoming)
  const merged = Object.fromEntries(
    sent.map(([key, value]) => [key, Object.hasOwn(restore, key) ? (restore[key]?.(value) ?? value) : value]),
  )
  const [toServer, toProcess] = [reachesSameServer(merged, stored), startsSameProcess(merged, stored)]
  return Object.fromEntries(
    sent.map(([key, value]) => [
      key,
      (sentFields.has(key) && !toServer) || (startedFields.has(key) && !toProcess) ? value : merged[key],
    ]),
  )
}

/** Judged by the merged URL: that is the one requests will go to. */
function reachesSameServer(merged: Fields, stored: ServerDefinition): boolean {
  const tls = stored.tls === undefined ? {} : tlsToWire(stored.tls)
  return (
    merged['transport'] === stored.transport &&
    originOf(merged['url']) === originOf(stored.url) &&
    // Another authority may vouch for another receiver under the same name.
    isDeepStrictEqual(merged['tls'] ?? {}, tls)
  )
}

/** Scheme, host and port as the connection will read them; null where there is no URL. */
function originOf(url: unknown): string | null {
  return typeof url === 'string' ? (URL.parse(url)?.origin ?? null) : null
}

function startsSameProcess(merged: Fields, stored: ServerDefinition): boolean {
  return (
    merged['transport'] === stored.transport &&
    (merged['command'] ?? '') === stored.command &&
    isDeepStrictEqual(merged['args'] ?? [], stored.args) &&
    isDeepStrictEqual(entriesOf(merged['env'] ?? {}), entriesOf(stored.env))
  )
}

/** Without regard to order: two environments are the same when each name has the same value. */
function entriesOf(map: object): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(map))
}

function mergeMap(
  incoming: unknown,
  stored: Readonly<Record<string, string>>,
  fold: (name: string) => string,
): unknown {
  if (!isObject(incoming)) return incoming
  const known = new Map(Object.entries(stored).map(([name, value]) => [fold(name), value]))
  return Object.fromEntries(
    Object.entries(incoming).map(([name, value]) => [
      name,
      value === secretMask ? (known.get(fold(name)) ?? value) : value,
    ]),
  )
}

/** Masked tokens cannot be told apart: only when none was removed is it clear which is which. */
function mergeTokens(incoming: readonly unknown[], stored: readonly string[]): unknown[] {
  const hidden = stored.filter(
    (token) => maskedAround([token], (texts) => texts.map(maskValue))[0] === secretMask,
  )
  if (incoming.filter((token) => token === secretMask).length !== hidden.length) return [...incoming]
  let next = 0
  return incoming.map((token) => (token === secretMask ? hidden[next++] : token))
}

/** By place: arguments that are not the same one by one get nothing back anyway. */
function mergeArgs(incoming: readonly unknown[], stored: readonly string[]): unknown[] {
  const masked = maskedAround(stored, maskArgs)
  return incoming.map((arg, index) => (arg === masked[index] ? stored[index] : arg))
}

/** The URL may have been edited around its masks: each is looked up by its own place. */
function mergeUrl(incoming: string, stored: string): string {
  if (incoming === maskedAround([stored], (texts) => texts.map(maskUrl))[0]) return stored
  const [next, known] = [splitUrl(incoming), splitUrl(stored)]
  if (next === null || known === null || !isMasked(incoming)) return incoming
  const userinfo = next.userinfo?.split(':').map((part, index) => {
    return part === secretMask ? (known.userinfo?.split(':')[index] ?? part) : part
  })
  return joinUrl({
    ...next,
    userinfo: userinfo?.join(':') ?? null,
    path: next.path.map((part, index) => {
      const was = known.path[index]
      return was !== undefined && part === maskText(was) ? was : part
    }),
    query: next.query === null ? null : mergeQuery(next.query, known.query ?? []),
    fragment: next.fragment === secretMask ? known.fragment : next.fragment,
  })
}

/** By parameter name, and by its how-manieth occurrence when a name stands several times. */
function mergeQuery(incoming: readonly string[], stored: readonly string[]): string[] {
  const seen = new Map<string, number>()
  return incoming.map((pair) => {
    const name = pair.split('=', 1)[0] ?? ''
    const occurrence = seen.get(name) ?? 0
    seen.set(name, occurrence + 1)
    if (pair !== `${name}=${secretMask}`) return pair
    return stored.filter((other) => other.startsWith(`${name}=`))[occurrence] ?? pair
  })
}
