/**
 * The cookies of one session at a server: what `Set-Cookie` says, and the `Cookie` that goes back (RFC 6265).
 *
 * Balancers keep a session on one replica by a cookie. Attributes that choose among hosts and paths mean nothing
 * here, because all goes back to the one origin that it came from.
 *
 * Pure. Cases: test/net/cookies.test.ts
 */

/** Values by name, the oldest first. */
export type Cookies = ReadonlyMap<string, string>

const cookiesMax = 32
/** Characters of all names and values together. */
const charsMax = 8 * 1024
/** Several headers are joined by commas; dates have one too, but no name and `=` behind it. */
const between = /,\s*(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+=)/
const name = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** What a header can carry without becoming two of them, or two cookies. */
const value = /^[\x20-\x3a\x3c-\x7e]*$/

/** The cookies after an answer with this `Set-Cookie`; the same object when it changes nothing. `nowMs` is the epoch's. */
export function cookiesAfter(before: Cookies, setCookie: string, nowMs: number): Cookies {
  const after = new Map(before)
  for (const line of setCookie.split(between)) {
    const [pair = '', ...attributes] = line.split(';')
    const equals = pair.indexOf('=')
    const key = pair.slice(0, equals).trim()
    const text = pair.slice(equals + 1).trim()
    if (equals < 1 || !name.test(key) || !value.test(text)) continue
    if (after.get(key) === text && !ends(attributes, nowMs)) continue
    after.delete(key)
    if (!ends(attributes, nowMs) && key.length + text.length <= charsMax) after.set(key, text)
  }
  for (const oldest of after.keys()) {
    if (after.size <= cookiesMax && charsOf(after) <= charsMax) break
    after.delete(oldest)
  }
  return same(before, after) ? before : after
}

/** The value of `Cookie`: the header that is there already, and the cookies whose names it does not have. */
export function cookieHeader(own: string | undefined, cookies: Cookies): string | undefined {
  if (cookies.size === 0) return own
  const pairs = own === undefined || own === '' ? [] : [own]
  const owned = new Set((own ?? '').split(';').map((pair) => pair.slice(0, pair.indexOf('=')).trim()))
  for (const [key, text] of cookies) if (!owned.has(key)) pairs.push(`${key}=${text}`)
  return pairs.join('; ')
}

/** True for a cookie that is taken back. `Max-Age` wins over `Expires` (RFC 6265, 5.3). */
function ends(attributes: readonly string[], nowMs: number): boolean {
  let expired = false
  for (const attribute of attributes) {
    const [key = '', text = ''] = attribute.split('=').map((part) => part.trim())
    if (/^max-age$/i.test(key) && /^-?\d+$/.test(text)) return Number(text) <= 0
    if (/^expires$/i.test(key)) expired = Date.parse(text) <= nowMs
  }
  return expired
}

function charsOf(cookies: Cookies): number {
  let chars = 0
  for (const [key, text] of cookies) chars += key.length + text.length
  return chars
}

function same(one: Cookies, other: Cookies): boolean {
  if (one.size !== other.size) return false
  for (const [key, text] of one) if (other.get(key) !== text) return false
  return true
}
