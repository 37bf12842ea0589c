/**
 * URIs of resources with their member in them, URI templates, and schemes. Pure; nothing is thrown, whatever text
 * stands for a URI.
 *
 * `file:///a` of the server `docs` is qualified as `mcp+docs:file:///a`, its template `file:///{path}` as
 * `mcp+docs:file:///{path}`, and `ui://widget/a.html`, whose scheme hosts look at, as `ui://mcp+docs/widget/a.html`.
 */

/** A URI or a template of a member, in the member's own spelling. */
export interface OwnUri {
  readonly server: string
  readonly uri: string
}

const uiScheme = /^ui:\/\//i
const uiSchemeChars = 'ui://'.length
const qualifiedUri = /^mcp\+([a-z0-9.+-]+):/i
const qualifiedUi = /^ui:\/\/mcp\+([a-z0-9.+-]+)\//i

/** The URI, or template, with its member in it. `readQualifiedUri` reads it back, sign for sign. */
export function qualifyUri(server: string, uri: string): string {
  const label = `mcp+${labelOf(server)}`
  if (!uiScheme.test(uri)) return `${label}:${uri}`
  return `${uri.slice(0, uiSchemeChars)}${label}/${uri.slice(uiSchemeChars)}`
}

/** The member that a qualified URI names, with the URI as the member knows it; null for one that is not qualified. */
export function readQualifiedUri(uri: string): OwnUri | null {
  const ui = qualifiedUi.exec(uri)
  const [whole, label] = ui ?? qualifiedUri.exec(uri) ?? []
  const server = label === undefined ? null : serverOf(label)
  if (whole === undefined || server === null) return null
  const own = uri.slice(whole.length)
  return { server, uri: ui === null ? own : uri.slice(0, uiSchemeChars) + own }
}

/**
 * A server's name within a scheme. Schemes have no underscore and no case, and parsers write them in small letters,
 * so whatever else a name holds is written as `+` and its hexadecimal code.
 */
function labelOf(server: string): string {
  return server.replace(/[^a-z0-9.-]/g, (sign) => `+${sign.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** The name that a label stands for; null where no name is written so. */
function serverOf(label: string): string | null {
  const small = label.toLowerCase()
  const name = small.replace(/\+([0-9a-f]{2})/g, (_all, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  )
  return labelOf(name) === small ? name : null
}

/** The scheme of a URI or template, in small letters; null where it has none. */
export function schemeOf(uri: string): string | null {
  return /^([a-z][a-z0-9+.-]*):/i.exec(uri)?.[1]?.toLowerCase() ?? null
}

/** A part of a template (RFC 6570): a text, or what an expression may stand for. */
type TemplatePart = string | Expression

interface Expression {
  readonly first: string | null
  readonly slashes: boolean
  readonly optional: boolean
}

/** A template made ready to be compared with. */
export interface UriTemplate {
  readonly parts: readonly TemplatePart[]
}

/** Servers choose templates and URIs: the work of comparing them is bounded by these. Longer ones fit nothing. */
const templateCharsMax = 2_048
const expressionsMax = 16
const uriCharsMax = 2_048

/** The parts of a template; null for a text that is too long or has more expressions than anyone needs. */
export function readTemplate(template: string): UriTemplate | null {
  if (template.length > templateCharsMax) return null
  const parts: TemplatePart[] = []
  let at = 0
  for (const { index, 0: whole, 1: operator = '' } of template.matchAll(/\{([+#./;?&]?)[^{}]*\}/g)) {
    if (index > at) parts.push(template.slice(at, index))
    parts.push(expressionOf(operator))
    at = index + whole.length
  }
  if (at < template.length) parts.push(template.slice(at))
  return parts.length > 2 * expressionsMax ? null : { parts }
}

/**
 * What an expression may stand for, generously: `{x}` for anything without a slash, `{+x}` for anything; what has a
 * sign of its own in front (`{?x}`, `{/x}`) may be absent.
 */
function expressionOf(operator: string): TemplatePart {
  if (operator === '') return { first: null, slashes: false, optional: false }
  if (operator === '+') return { first: null, slashes: true, optional: false }
  return { first: operator, slashes: operator !== '.' && operator !== ';', optional: true }
}

/** Whether a URI may have been made from a template. The work is bounded by the length of both, multiplied. */
export function fitsTemplate({ parts }: UriTemplate, uri: string): boolean {
  const [head, tail] = [parts[0], parts.at(-1)]
  if (uri.length > uriCharsMax || (typeof head === 'string' && !uri.startsWith(head))) return false
  if (typeof tail === 'string' && !uri.endsWith(tail)) return false
  let reached: Places = new Uint8Array(uri.length + 1)
  reached[0] = 1
  for (const part of parts) {
    reached = typeof part === 'string' ? afterText(part, uri, reached) : afterExpression(part, uri, reached)
    if (!reached.includes(1)) return false
  }
  return reached[uri.length] === 1
}

/** Where a part of the URI may end that fits the parts of a template so far: 1 at each such place. */
type Places = Uint8Array<ArrayBuffer>

function afterText(text: string, uri: string, from: Places): Places {
  const reached = new Uint8Array(from.length)
  for (let at = uri.indexOf(text, from.indexOf(1)); at >= 0; at = uri.indexOf(text, at + 1))
    if (from[at] === 1) reached[at + text.length] = 1
  return reached
}

const slash = 47

function afterExpression({ first, slashes, optional }: Expression, uri: string, from: Places): Places {
  const reached = optional ? from.slice() : new Uint8Array(from.length)
  if (slashes) {
    // From the first place on where it may begin it may end anywhere.
    let begins = from.indexOf(1)
    while (begins >= 0 && first !== null && uri[begins] !== first) begins = from.indexOf(1, begins + 1)
    return begins < 0 ? reached : reached.fill(1, begins + 1)
  }
  let within = false
  for (let at = 0; at < uri.length; at++) {
    const sign = uri.charCodeAt(at)
    const begins = from[at] === 1 && (first === null ? sign !== slash : uri[at] === first)
    within = begins || (within && sign !== slash)
    if (within) reached[at + 1] = 1
  }
  return reached
}
