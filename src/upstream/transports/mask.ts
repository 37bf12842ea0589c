/**
 * Takes the secrets of a definition out of text that leaves the gateway (log lines, error details).
 *
 * A server that dies often prints its environment first; what it prints must not carry the token that
 * was given to it. Messages between client and server are never touched.
 */

/** Replaces what is secret in a text by `***`. */
export type Mask = (text: string) => string

/** Shorter values (`1`, `true`) would turn every line into stars and protect nothing. */
const secretCharsMin = 6

/** A line of a secret that is printed by itself; the shorter ones of a PEM file say nothing. */
const secretLineCharsMin = 16

/** Returns a function that replaces every occurrence of the given values by `***`. */
export function createMask(secrets: readonly string[]): Mask {
  // Longest first, so that a secret which contains another one goes whole.
  const values = [...new Set(secrets.filter((value) => value.length >= secretCharsMin).flatMap(spellings))]
    .filter((value) => value.length >= secretCharsMin)
    .sort((a, b) => b.length - a.length)
  if (values.length === 0) return (text) => text
  return (text) => values.reduce((masked, value) => masked.replaceAll(value, '***'), text)
}

/** How a value comes back: as it is, inside JSON, in a URL, in base64, or, with line breaks in it, line by line. */
function spellings(value: string): string[] {
  const lines = value.includes('\n') ? value.split(/\r?\n/) : []
  return [
    value,
    JSON.stringify(value).slice(1, -1),
    urlEncoded(value),
    Buffer.from(value).toString('base64'),
    ...lines.map((line) => line.trim()).filter((line) => line.length >= secretLineCharsMin),
  ]
}

function urlEncoded(value: string): string {
  try {
    return encodeURIComponent(value)
  } catch {
    // Half a surrogate pair cannot stand in a URL.
    return value
  }
}
