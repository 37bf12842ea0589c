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
