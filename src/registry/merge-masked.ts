/**
 * Puts stored secrets back where an incoming definition still shows their masks.
 *
 * Pure; the input is untrusted JSON of any shape, and what does not look as expected passes through
 * for `parseDefinition` to refuse. A mask is restored only where it is certain which value it stands
 * for; one that stays is refused later, because guessing could hand one credential to another host.
 */
import { isObject } from '../protocol/json.ts'
import type { ServerDefinition } from './definition.ts'
import { isMasked, joinUrl, MASK, maskArgs, maskText, maskUrl, maskValue, splitUrl } from './mask.ts'

/** The incoming wire form with every mask that has a stored value behind it replaced by that value. */
export function mergeMasked(incoming: unknown, stored: ServerDefinition): unknown {
  if (!isObject(incoming)) return incoming
  const restore: Readonly<Record<string, (value: unknown) => unknown>> = {
    command: (value) => (value === maskText(stored.command) ? stored.command : value),
    url: (value) => (typeof value === 'string' ? mergeUrl(value, stored.url) : value),
    args: (value) => (Array.isArray(value) ? mergeArgs(value, stored.args) : value),
    env: (value) => mergeMap(value, stored.env, (name) => name),
    headers: (value) => mergeMap(value, stored.headers, (name) => name.toLowerCase()),
    authTokens: (value) => (Array.isArray(value) ? mergeTokens(value, stored.authTokens) : value),
  }
  return Object.fromEntries(
    Object.entries(incoming).map(([key, value]) => [
      key,
      Object.hasOwn(restore, key) ? (restore[key]?.(value) ?? value) : value,
    ]),
  )
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
      value === MASK ? (known.get(fold(name)) ?? value) : value,
    ]),
  )
}

/** Masked tokens cannot be told apart: only when none was removed is it clear which is which. */
function mergeTokens(incoming: readonly unknown[], stored: readonly string[]): unknown[] {
  const hidden = stored.filter((token) => maskValue(token) === MASK)
  if (incoming.filter((token) => token === MASK).length !== hidden.length) return [...incoming]
  let next = 0
  return incoming.map((token) => (token === MASK ? hidden[next++] : token))
}

/**
 * A masked argument is the stored one at the same place, or the only one that looks the same behind
 * the same neighbour (arguments were added or taken away before it).
 */
function mergeArgs(incoming: readonly unknown[], stored: readonly string[]): unknown[] {
  const masked = maskArgs(stored)
  return incoming.map((arg, index) => {
    if (arg === masked[index] && incoming[index - 1] === masked[index - 1]) return stored[index]
    if (typeof arg !== 'string' || !isMasked(arg)) return arg
    const before = incoming[index - 1]
    const places = masked.flatMap((shown, place) =>
      shown === arg && masked[place - 1] === before ? [place] : [],
    )
    const values = new Set(places.map((place) => stored[place]))
    return values.size === 1 ? [...values][0] : arg
  })
}

/** The URL may have been edited around its masks: each is looked up by its own place. */
function mergeUrl(incoming: string, stored: string): string {
  if (incoming === maskUrl(stored)) return stored
  const [next, known] = [splitUrl(incoming), splitUrl(stored)]
  if (next === null || known === null || !isMasked(incoming)) return incoming
  const userinfo = next.userinfo?.split(':').map((part, index) => {
    return part === MASK ? (known.userinfo?.split(':')[index] ?? part) : part
  })
  return joinUrl({
    ...next,
    userinfo: userinfo?.join(':') ?? null,
    path: next.path.map((part, index) => {
      const was = known.path[index]
      return was !== undefined && part === maskText(was) ? was : part
    }),
    query: next.query === null ? null : mergeQuery(next.query, known.query ?? []),
    fragment: next.fragment === MASK ? known.fragment : next.fragment,
  })
}

/** By parameter name, and by its how-manieth occurrence when a name stands several times. */
function mergeQuery(incoming: readonly string[], stored: readonly string[]): string[] {
  const seen = new Map<string, number>()
  return incoming.map((pair) => {
    const name = pair.split('=', 1)[0] ?? ''
    const occurrence = seen.get(name) ?? 0
    seen.set(name, occurrence + 1)
    if (pair !== `${name}=${MASK}`) return pair
    return stored.filter((other) => other.startsWith(`${name}=`))[occurrence] ?? pair
  })
}
