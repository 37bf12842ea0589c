/**
 * Hides the secrets of a definition in what is shown of it.
 *
 * Pure and in linear time. `env`, `headers` and `authTokens` are hidden whole, because any value there
 * may be a secret; in `url` and `args` only what looks like a credential is, because people must see
 * which server a definition means. `${NAME}` references name a secret without being one and stay.
 */
import { isSecretLooking, isSecretName } from './secret-looking.ts'

/** Stands for a value that is not shown. */
export const secretMask = '***'

const reference =
  /^(?:(?:Bearer|Basic|Token)\s+)?(?:\$\{(?:user\.)?[A-Za-z_][A-Za-z0-9_]{0,127}\}[:@/._-]?)+$/i
const maskInText = /(?<![\w*.])\*\*\*(?![\w*.])/

/** `true` when the text carries a mask where a value should be. */
export function isMasked(text: string): boolean {
  return maskInText.test(text)
}

/** The mask for any value; empty texts and pure `${NAME}` references stay readable. */
export function maskValue(value: string): string {
  return value === '' || reference.test(value) ? value : secretMask
}

/** The parts of a URL as they are written; joined in order they give the same text again. */
export interface UrlParts {
  readonly scheme: string
  /** Without the `@`; null when there is none. */
  readonly userinfo: string | null
  readonly host: string
  /** Split at `/`; the first one is empty when the path is absolute. */
  readonly path: readonly string[]
  /** `name=value` pairs, split at `&`; null without a `?`. */
  readonly query: readonly string[] | null
  /** null without a `#`. */
  readonly fragment: string | null
}

const urlPattern =
  /^([A-Za-z][A-Za-z0-9+.-]{0,31}:\/\/)(?:([^/?#\\]*)@)?([^/?#\\]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s

/** Splits a URL without normalising it; null when the text has no scheme. */
export function splitUrl(url: string): UrlParts | null {
  const match = urlPattern.exec(url)
  if (match === null) return null
  const [, scheme = '', userinfo, host = '', path = '', query, fragment] = match
  return {
    scheme,
    userinfo: userinfo ?? null,
    host,
    path: path.split('/'),
    query: query?.split('&') ?? null,
    fragment: fragment ?? null,
  }
}

export function joinUrl(parts: UrlParts): string {
  const userinfo = parts.userinfo === null ? '' : `${parts.userinfo}@`
  const query = parts.query === null ? '' : `?${parts.query.join('&')}`
  const fragment = parts.fragment === null ? '' : `#${parts.fragment}`
  return parts.scheme + userinfo + parts.host + parts.path.join('/') + query + fragment
}

/** Hides user and password, every query value, the fragment, and path segments that look like keys. */
export function maskUrl(url: string): string {
  const parts = splitUrl(url)
  if (parts === null) return maskText(url)
  return joinUrl({
    ...parts,
    userinfo: parts.userinfo === null ? null : parts.userinfo.split(':').map(maskValue).join(':'),
    path: parts.path.map(maskText),
    query: parts.query?.map(maskPair) ?? null,
    fragment: parts.fragment === null ? null : maskValue(parts.fragment),
  })
}

/** `name=value` with its value hidden; a bare word stays unless it looks like a key. */
function maskPair(pair: string): string {
  const equals = pair.indexOf('=')
  return equals < 0 ? maskText(pair) : pair.slice(0, equals + 1) + maskValue(pair.slice(equals + 1))
}

/**
 * Command-line arguments with their credentials hidden. The argument before counts: what follows
 * `--token` is a secret whatever it looks like, and what follows `--header` or `--env` is treated as
 * the header or variable that it is.
 */
export function maskArgs(args: readonly string[]): string[] {
  return args.map((arg, index) => maskArg(arg, index === 0 ? '' : (args[index - 1] ?? '')))
}

function maskArg(arg: string, before: string): string {
  const flag = /^--?([A-Za-z][\w.-]{0,127})$/.exec(before)?.[1]
  if (flag !== undefined) {
    if (/^(?:H|header|headers)$/i.test(flag)) return maskAfter(arg, /^[^:=]{1,256}[:=]\s*/) ?? maskValue(arg)
    if (/^(?:e|env)$/i.test(flag)) return maskAfter(arg, /^[A-Za-z_]\w{0,255}=/) ?? maskText(arg)
    if (isSecretName(flag)) return maskValue(arg)
  }
  // `--header=Name: value` and `--env=NAME=value` are the same in one piece.
  const wrapped = maskAfter(arg, /^--?(?:header|env)=[^:=]{1,256}[:=]\s*/i)
  if (wrapped !== null) return wrapped
  // A whole argument `NAME=value` has a value that may hold spaces and quotes, so it is taken to its end.
  const name = /^-{0,2}([\w.-]{1,128})\s*[=:]/.exec(arg)?.[1]
  if (name !== undefined && isSecretName(name)) return maskAfter(arg, /^[^=:]*[=:]\s*/) ?? secretMask
  return maskText(arg)
}

/** Keeps what the pattern matches at the beginning and hides the rest; null when it does not match. */
function maskAfter(arg: string, pattern: RegExp): string | null {
  const kept = pattern.exec(arg)?.[0]
  return kept === undefined ? null : kept + maskValue(arg.slice(kept.length))
}

const urlInText = /(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,31}:\/\/[^\s"'<>`]+/g
const authorization = /\b(Bearer|Basic|Token)(\s+)([^\s"',;]{4,})/gi
/**
 * `name=value` or `name: value` anywhere. An unquoted value may hold spaces, commas and ampersands; it
 * ends where the next name begins, at a semicolon or at a bracket. An unclosed quote goes to the end.
 */
const namedValue =
  /(?<![\w.-])([\w.-]{1,128})(["']?\s{0,4}[:=]\s{0,4})("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|["'].*|(?:[^\s"'&;,{}]|[ \t,&](?![\w.-]{1,64}\s?[:=]))+)/gs
const tokenRun = /[A-Za-z0-9_\-./+=]+/g

/** Any text with the credentials in it hidden: URLs, `Bearer …`, `password=…`, and bare keys. */
export function maskText(text: string): string {
  if (text.includes('-----BEGIN')) return secretMask
  return text
    .replace(urlInText, maskUrlInText)
    .replace(authorization, (_all, scheme, space, value) => scheme + space + maskValue(value))
    .replace(namedValue, (all, name, link, value) =>
      isSecretName(name) ? name + link + maskQuoted(value) : all,
    )
    .replace(tokenRun, maskRun)
}

/** Passwords in connection strings may hold an unescaped `/`, so the last `@` counts outside HTTP. */
function maskUrlInText(url: string): string {
  const greedy = /^(?!https?:)([a-z][a-z0-9+.-]*:\/\/)[^/@\s:]*:[^@\s]+@(.*)$/is.exec(url)
  return maskUrl(greedy === null ? url : `${greedy[1]}${secretMask}:${secretMask}@${greedy[2]}`)
}

function maskQuoted(value: string): string {
  const [, quote = '', inner = '', closing = ''] = /^(["']?)(.*?)(\1)$/s.exec(value) ?? []
  return quote + maskValue(inner) + closing
}

/** A flag in front of a run (`--key=`) is kept; names and versions around a key are not worth it. */
function maskRun(run: string): string {
  const flag = /^-{1,2}[A-Za-z][\w-]{0,63}=/.exec(run)?.[0] ?? ''
  return isSecretLooking(run.slice(flag.length)) ? flag + secretMask : run
}
