/**
 * Takes the secrets of a definition out of text that leaves the gateway (log lines, error details).
 *
 * A server that dies often prints its environment first; what it prints must not carry the token that
 * was given to it. Messages between client and server are never touched.
 */

/** Shorter values (`1`, `true`) would turn every line into stars and protect nothing. */
const secretCharsMin = 6

/** Returns a function that replaces every occurrence of the given values by `***`. */
export function createMask(secrets: readonly string[]): (text: string) => string {
  // Longest first, so that a secret which contains another one goes whole.
  const values = [...new Set(secrets)]
    .filter((value) => value.length >= secretCharsMin)
    .sort((a, b) => b.length - a.length)
  if (values.length === 0) return (text) => text
  return (text) => values.reduce((masked, value) => masked.replaceAll(value, '***'), text)
}

/** Names of authentication schemes, which stand before the secret in a header. */
const schemes = /^(?:basic|bearer|digest|token)$/i

/** What may be secret in the definition of an HTTP server: header values, credentials and query of its URL. */
export function httpSecrets(url: string, headers: Readonly<Record<string, string>>): string[] {
  const secrets: string[] = []
  for (const value of Object.values(headers)) {
    const parts = value.split(/[\s,;]+/).filter((part) => !schemes.test(part))
    secrets.push(value, ...parts)
  }
  const parsed = URL.parse(url)
  if (parsed !== null) {
    const { password, username, searchParams, search } = parsed
    secrets.push(password, username, search, ...searchParams.values(), ...search.split(/[?&=]/))
  }
  return secrets
}
