/**
 * Somebody by the text that logs, audit and rules have of them: a key by id or name, a token by the beginning of its
 * digest, a person by hash or by issuer and subject. For admins who ask about somebody else.
 */
import { nearestName } from '../registry/nearest-name.ts'
import { anonymous, type Principal } from './principal.ts'
import type { TokenTable } from './tokens.ts'

/** Claims by the names that rules use. */
export type GivenClaims = Readonly<Record<string, readonly string[]>>

/** A person by issuer and subject, or by the hash of both where they are not known. */
export type NamedPerson = { readonly issuer: string; readonly subject: string } | { readonly id: string }

/** Where people, keys and tokens are known. */
export interface PrincipalSources {
  /** Every list of tokens that is configured. */
  tokens(): Iterable<TokenTable>
  /** By id or name; null for none. */
  key(idOrName: string): Principal | null
  keyNames(): readonly string[]
  /** Somebody whose token says this; null where no such issuer is configured. */
  person(who: NamedPerson, claims: GivenClaims): Promise<Principal | null>
  issuers(): readonly string[]
}

/** Nobody is meant by that, and what was most likely meant. */
export interface UnknownPrincipal {
  readonly reason: string
  readonly nearest: string | null
}

const personHash = /^[\da-f]{32}$/

export async function findPrincipal(
  text: string,
  claims: GivenClaims,
  sources: PrincipalSources,
): Promise<Principal | UnknownPrincipal> {
  if (text === anonymous.id) return anonymous
  const [, issuer, subject] = /^(https?:\/\/\S+) (.+)$/s.exec(text) ?? []
  if (issuer !== undefined && subject !== undefined) {
    const person = await sources.person({ issuer, subject }, claims)
    if (person !== null) return person
    return unknown(`${issuer} is no issuer of auth.oauth.issuers`, closest(issuer, sources.issuers()))
  }
  const [, kind = '', rest = ''] = /^(token|admin|key|oauth):(.*)$/s.exec(text) ?? []
  if (kind === 'oauth') {
    const person = personHash.test(rest) ? await sources.person({ id: text }, claims) : null
    if (person !== null) return person
    const reason =
      sources.issuers().length === 0 ? 'auth.oauth.issuers has none' : 'that is no hash of a person'
    return unknown(`${reason}; people are known by issuer and subject, with a space between them`, null)
  }
  if (kind !== 'key' && /^[\da-f]{8,64}$/.test(rest)) {
    const found = holders(text, sources)
    const [only] = found
    if (only !== undefined && found.size === 1) return only
    return unknown(
      found.size === 0
        ? 'no token that is configured has this digest'
        : 'several tokens begin so; write more digits',
      null,
    )
  }
  const name = kind === '' ? text : rest
  const key = sources.key(name)
  if (key !== null) return key
  return unknown('there is no such key', nearestName(name, sources.keyNames()))
}

function holders(text: string, sources: PrincipalSources): Set<Principal> {
  const found = new Map<string, Principal>()
  for (const table of sources.tokens())
    for (const principal of table.principals)
      if (principal.id.startsWith(text)) found.set(principal.id, principal)
  return new Set(found.values())
}

function unknown(reason: string, nearest: string | null): UnknownPrincipal {
  return { reason, nearest }
}

/** Issuers are longer than names; they differ in a slash most of the time. */
function closest(issuer: string, known: readonly string[]): string | null {
  const bare = (text: string) => text.replace(/\/+$/, '').toLowerCase()
  return known.find((other) => bare(other) === bare(issuer)) ?? known[0] ?? null
}
