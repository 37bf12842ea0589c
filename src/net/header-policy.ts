/**
 * Which headers of a client request travel to the MCP server: only those that the server's
 * definition lists, and even of those never one that belongs to this hop or opens this gateway.
 *
 * `Authorization` may be listed, for servers that know their users by it. It then carries what the
 * client has for that server; one that carries a token of the gateway stays here.
 *
 * Pure. CONTRACT.md, "Access rules"; RFC 9110, section 7.6.1.
 */

/**
 * Headers that frame a message or belong to the hop (RFC 9110, 7.6.1): only the connection that sends a
 * request sets them. A value of a definition or a client would break the message or smuggle a second one.
 */
export const framingHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * What a client says to this gateway alone, so that no list can send it on: how it reads and writes bodies, where
 * it comes from, and cookies, which a browser attaches by itself for the gateway's host.
 */
const gatewayHeaders: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  // What members of a cluster tell each other (src/cluster/forward).
  'compozy-forwarded',
  'content-encoding',
  'content-type',
  'cookie',
  'cookie2',
  'forwarded',
  'last-event-id',
  'origin',
])

/** Texts of one value that are looked at; no credential is a list of more. */
const textsMax = 256

/** Whether a `forwardHeaders` entry can ever have an effect. The `Mcp-*` names are the transport's own. */
export function isForwardable(name: string): boolean {
  const lower = name.toLowerCase()
  return !framingHeaders.has(lower) && !gatewayHeaders.has(lower) && !lower.startsWith('mcp-')
}

/**
 * The listed headers of one request, names in lower case. `isOwnToken` is asked for every value, and
 * for the credentials inside an `Authorization`-like value, so that no gateway token leaves with it.
 */
export function headersForUpstream(
  headers: { get(name: string): string | null },
  listed: readonly string[],
  isOwnToken: (text: string) => boolean,
): Record<string, string> {
  const sent: Record<string, string> = {}
  if (listed.length === 0) return sent
  const hopByHop = connectionNames(headers.get('connection'))
  for (const entry of listed) {
    const name = entry.toLowerCase()
    if (!isForwardable(name) || hopByHop.includes(name)) continue
    const value = headers.get(name)
    if (value === null || carriesOwnToken(value, isOwnToken)) continue
    sent[name] = value
  }
  return sent
}

/**
 * A token may stand alone, behind a scheme (`Bearer x`), in a list, or behind a name. Each look costs a
 * digest, so a value of endless parts is held back instead of looked through.
 */
function carriesOwnToken(value: string, isOwnToken: (text: string) => boolean): boolean {
  const texts = new Set([value])
  // A token holds neither a space nor a comma, but may hold every other separator itself (`abc==`).
  for (const word of value.split(/[\s,]+/)) {
    for (const pair of [word, ...word.split(';')]) {
      texts.add(pair)
      texts.add(unquoted(pair.slice(pair.search(/[=:]/) + 1)))
    }
    for (const part of word.split(/[;="':]+/)) texts.add(part)
    if (texts.size > textsMax) return true
  }
  texts.delete('')
  for (const text of texts) if (isOwnToken(text)) return true
  return false
}

function unquoted(text: string): string {
  return text.replace(/^["']|["']$/g, '')
}

function connectionNames(header: string | null): readonly string[] {
  return header === null ? [] : header.toLowerCase().split(/[\s,]+/)
}
