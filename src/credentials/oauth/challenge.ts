/** What a server says with `WWW-Authenticate` (RFC 9110, 11.6.1; RFC 6750, 3; RFC 9728, 5.1). Pure. */

export interface BearerChallenge {
  /** Where the metadata of the server is; null where it names no place. */
  readonly resourceMetadata: string | null
  /** Null where it names none. */
  readonly scopes: readonly string[] | null
}

const charsMax = 16_384
const scopesMax = 64
/** A scheme, or a parameter: its value quoted or not. What a scheme brings beside parameters is passed over. */
const part = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+)))?/g
const scopeForm = /^[\x21\x23-\x5b\x5d-\x7e]{1,512}$/

/** What its challenge for bearer tokens says, else that for tokens with proofs; null where there is none among them. */
export function bearerChallenge(header: string): BearerChallenge | null {
  return challengeOf(header, 'bearer') ?? challengeOf(header, 'dpop')
}

function challengeOf(header: string, wanted: string): BearerChallenge | null {
  if (header.length > charsMax) return null
  const said = new Map<string, string>()
  let scheme = ''
  let asksForToken = false
  for (const [, name = '', quoted, bare] of header.matchAll(part)) {
    if (quoted === undefined && bare === undefined) {
      scheme = name.toLowerCase()
      asksForToken ||= scheme === wanted
    } else if (scheme === wanted && !said.has(name.toLowerCase()))
      said.set(name.toLowerCase(), bare ?? (quoted ?? '').replace(/\\(.)/g, '$1'))
  }
  if (!asksForToken) return null
  const scope = said.get('scope')
  return {
    resourceMetadata: said.get('resource_metadata') ?? null,
    scopes: scope === undefined ? null : scopesIn(scope),
  }
}

/** The scopes of a list with spaces between them; what is none is left out. */
export function scopesIn(text: string): readonly string[] {
  const all = text.split(' ').filter((scope) => scopeForm.test(scope))
  return [...new Set(all)].slice(0, scopesMax)
}

/** Every scope of both. */
export function unionOf(one: readonly string[], other: readonly string[]): readonly string[] {
  return [...new Set([...one, ...other])].slice(0, scopesMax)
}
