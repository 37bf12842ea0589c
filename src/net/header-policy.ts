/**
 * Which headers of a client request travel to the MCP server: only those that the server's
 * definition lists, and even of those never one that belongs to this hop or opens this gateway.
 *
 * Pure. CONTRACT.md, "Access rules"; RFC 9110, section 7.6.1.
 */

/** Headers that no list can send on: they belong to the connection, to the message, or to the gateway's own transport. */
const never = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
  'content-encoding',
  'content-type',
  'accept',
  'accept-encoding',
  'expect',
  'origin',
  'last-event-id',
])

/** Whether a `forwardHeaders` entry can ever have an effect. The `Mcp-*` names are the transport's own. */
export function isForwardable(name: string): boolean {
  const lower = name.toLowerCase()
  return !never.has(lower) && !lower.startsWith('mcp-')
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

/** A token may stand alone, behind a scheme (`Bearer x`), in a list, or as a cookie's value. */
function carriesOwnToken(value: string, isOwnToken: (text: string) => boolean): boolean {
  return isOwnToken(value) || value.split(/[\s,;="]+/).some((part) => part !== '' && isOwnToken(part))
}

function connectionNames(header: string | null): readonly string[] {
  return header === null ? [] : header.toLowerCase().split(/[\s,]+/)
}
