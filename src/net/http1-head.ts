/** Reads the head of an HTTP/1.1 response and decides how its body is framed (RFC 9112, 4 to 6). Pure. */

export interface ResponseHead {
  readonly status: number
  /** By name in lower case; several of one name are joined by a comma (RFC 9110, 5.3). */
  readonly headers: ReadonlyMap<string, string>
  /** See `mediaTypeOf`; read once for all answers with the same head. */
  readonly mediaType: string
  /** Its length in bytes, or how its end is known. */
  readonly body: number | 'chunked' | 'untilClose'
  /** True when the connection outlives the response. */
  readonly persistent: boolean
  /** How long the server keeps an idle connection, when it says so. */
  readonly keepAliveSeconds: number | null
}

const statusLine = /^HTTP\/1\.(\d) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
/** A space before the colon, or one at the start (a folded line), fits nothing (RFC 9112, 5.1 and 5.2). */
const headerLine = /^([!#$%&'*+\-.^_`|~\da-z]+):[ \t]*([^\0\r\n]*)$/i
/** Fifteen digits are exact in a number, and more than any answer has. */
const length = /^\d{1,15}$/

/** The head of these lines, without the blank one at its end; a text says in a few words what is wrong. */
export function readHead(text: string): ResponseHead | string {
  const lines = text.split('\r\n')
  const [, minor = '', digits = ''] = statusLine.exec(lines[0] ?? '') ?? []
  if (digits === '') return 'the status line cannot be read'
  const headers = new Map<string, string>()
  for (let at = 1; at < lines.length; at++) {
    const [, name, value = ''] = headerLine.exec(lines[at] ?? '') ?? []
    if (name === undefined) return 'a header line cannot be read'
    const key = name.toLowerCase()
    const before = headers.get(key)
    headers.set(key, before === undefined ? trimmed(value) : `${before}, ${trimmed(value)}`)
  }
  const status = Number(digits)
  // No upgrade was asked for: what follows would be no HTTP.
  if (status === 101) return 'the protocol was switched'
  return framed(status, headers, minor !== '0')
}

/** Without the space at both ends, which is blanks and tabs alone (RFC 9110, 5.6.3): a length is not to hide behind others. */
function trimmed(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x09
}

function framed(
  status: number,
  headers: ReadonlyMap<string, string>,
  isHttp11: boolean,
): ResponseHead | string {
  const coding = headers.get('transfer-encoding')
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'the transfer coding is not known'
  const announced = headers.get('content-length')
  const bytes = announced === undefined ? null : lengthOf(announced)
  if (bytes === undefined) return 'the content-length cannot be read'
  const bodiless = status < 200 || status === 204 || status === 304
  const body = bodiless ? 0 : coding !== undefined ? 'chunked' : (bytes ?? 'untilClose')
  const keepAliveSeconds = keepAliveOf(headers.get('keep-alive'))
  const persistent =
    isHttp11 &&
    body !== 'untilClose' &&
    // Two framings: one of the two parties may have read the other one (RFC 9112, 6.3).
    (coding === undefined || announced === undefined) &&
    !closes(headers.get('connection')) &&
    keepAliveSeconds !== 0
  const mediaType = mediaTypeOf(headers.get('content-type') ?? '')
  return { status, headers, mediaType, body, persistent, keepAliveSeconds }
}

/** The media type in a `Content-Type`, lower case, without parameters. */
export function mediaTypeOf(contentType: string): string {
  const end = contentType.indexOf(';')
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}

/** undefined when it is no length, or several that differ. */
function lengthOf(announced: string): number | undefined {
  if (length.test(announced)) return Number(announced)
  const [first = '', ...others] = announced.split(',').map(trimmed)
  return length.test(first) && others.every((other) => other === first) ? Number(first) : undefined
}

function closes(connection: string | undefined): boolean {
  return connection !== undefined && /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(connection)
}

function keepAliveOf(value: string | undefined): number | null {
  const digits =
    value === undefined ? undefined : /(?:^|[,;\s])timeout[ \t]*=[ \t]*"?(\d{1,9})/i.exec(value)?.[1]
  return digits === undefined ? null : Number(digits)
}
