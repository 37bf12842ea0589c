/**
 * Names by pattern: `search_*` stands for every name that begins so, `*` for all. Nothing else in a pattern has a
 * meaning of its own. Pure, and linear in the length of a name whatever the pattern.
 */

/** Whether one of the patterns fits a name; made once, asked often. */
export function namePatterns(patterns: readonly string[]): (name: string) => boolean {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')))
  const wild = patterns.filter((pattern) => pattern.includes('*')).map((pattern) => pattern.split('*'))
  if (wild.length === 0) return (name) => exact.has(name)
  return (name) => exact.has(name) || wild.some((parts) => fits(parts, name))
}

/**
 * The same for URIs. Servers resolve them, so that `docs://open/../secret` fits `docs://open/*` and is another resource:
 * what climbs fits itself, and `*`.
 */
export function uriPatterns(patterns: readonly string[]): (uri: string) => boolean {
  const fitsOne = namePatterns(patterns)
  const exact = new Set(patterns)
  return exact.has('*') ? fitsOne : (uri) => fitsOne(uri) && (exact.has(uri) || !climbs(uri))
}

/** @param parts what stands between the stars, in order; the first begins the name and the last ends it. */
function fits(parts: readonly string[], name: string): boolean {
  const [first = '', last = ''] = [parts[0], parts.at(-1)]
  const end = name.length - last.length
  if (first.length > end || !name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}

/** What a reader may leave out of a URI (WHATWG URL, 4.4), or read otherwise than it is written. */
const leftOut = /[\t\n\r]/g
const escaped = /%(?:2e|2f|5c|25)/gi
/** Escapes of escapes beyond this are taken for an attempt. */
const escapesDeep = 4
const upwards = /(?:^|[/\\:?=&#;,])\.\.(?:$|[/\\?&#;,])/

/** Whether it has `..` as a segment, however that is written: where it leads, its beginning does not tell. */
function climbs(uri: string): boolean {
  // Nearly always there is none.
  if (!uri.includes('.') && !uri.includes('%')) return false
  let text = uri.replace(leftOut, '')
  for (let depth = 0; depth < escapesDeep; depth++) {
    if (upwards.test(text)) return true
    const read = text.replace(escaped, (code) => decodeURIComponent(code))
    if (read === text) return false
    text = read
  }
  return true
}
