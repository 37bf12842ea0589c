/**
 * Compiles the access settings once, at start and on reload, so that a bad rule stops the boot and
 * never a request.
 */
import { TokenTable } from '../../access/tokens.ts'
import type { Config } from '../../config/schema.ts'
import { ConfigError } from '../../errors.ts'
import { type CidrSet, noNetworks, parseCidrSet } from '../../net/cidr.ts'
import { isLoopbackHost, parseHost } from '../../net/host.ts'
import type { Log } from '../../telemetry/log.ts'

/** The part of the configuration that access hangs on. */
export interface AccessSettings {
  readonly host: Config['host']
  readonly baseUrl: Config['baseUrl']
  readonly auth: Config['auth']
  readonly security: Pick<Config['security'], 'trustedProxies' | 'allowedHosts' | 'allowedOrigins'>
  readonly metrics: Config['metrics']
  readonly tls?: Config['tls']
  readonly limits: Pick<Config['limits'], 'bodyBytesMax' | 'rate'>
}

interface ExternalBase {
  readonly proto: string
  readonly host: string
  readonly prefix: string
  readonly loopback: boolean
}

export interface AccessRules {
  readonly settings: AccessSettings
  /** What the port speaks. */
  readonly scheme: 'http' | 'https'
  /** `base_url` in parts, without trailing slash; null when it was not set. */
  readonly base: ExternalBase | null
  readonly trusted: CidrSet
  readonly adminAllow: CidrSet
  /** Accepted Host names, with or without port; null when the Host is not checked. Loopback names are always accepted. */
  readonly hosts: ReadonlySet<string> | null
  readonly origins: ReadonlySet<string>
  readonly global: TokenTable
  readonly admin: TokenTable
  /** True where the admin API asks who comes; else it trusts this machine. */
  readonly adminAsks: boolean
}

export type RulesResult =
  | {
      readonly ok: true
      readonly rules: AccessRules
      readonly warnings: readonly string[]
      /** What is said of a gateway that strangers can use; null of one that they cannot. Keys of the API may yet close it. */
      readonly exposure: string | null
    }
  | { readonly ok: false; readonly errors: readonly string[] }

/** The rules with warnings for the start-up log, or one line for each setting that makes no sense. */
export function compileRules(settings: AccessSettings): RulesResult {
  const errors: string[] = []
  const warnings: string[] = []
  const networks = (key: string, texts: readonly string[]): CidrSet => {
    const parsed = parseCidrSet(texts)
    const lines = parsed.ok ? parsed.warnings : parsed.errors
    for (const line of lines) (parsed.ok ? warnings : errors).push(`${key}: ${line}`)
    return parsed.ok ? parsed.set : noNetworks
  }
  const trusted = networks('security.trusted_proxies', settings.security.trustedProxies)
  const adminAllow = networks('auth.admin_allow_ips', settings.auth.adminAllowIps)
  const base = readBase(settings.baseUrl, errors)
  const origins = new Set(settings.security.allowedOrigins.map((text) => readOrigin(text, errors)))
  const hosts = readHosts(settings, base?.host ?? null, errors)
  if (errors.length > 0) return { ok: false, errors }
  warnings.push(...everyoneWarnings(settings), ...sharedTokenWarnings(settings))
  const global = new TokenTable(settings.auth.globalTokens, 'client')
  const admin = new TokenTable(settings.auth.adminTokens, 'admin')
  const adminAsks =
    admin.size > 0 || hasRoles(settings) || settings.auth.keys.some(({ role }) => role !== null)
  const scheme: AccessRules['scheme'] = (settings.tls?.certFile ?? null) === null ? 'http' : 'https'
  const rules = { settings, scheme, base, trusted, adminAllow, hosts, origins, global, admin, adminAsks }
  return { ok: true, rules, warnings, exposure: exposureOf(settings) }
}

/** The rules of a configuration, with its warnings in the log. Throws a ConfigError. */
export function rulesOf(
  settings: AccessSettings,
  log: Pick<Log, 'warn'>,
): { readonly rules: AccessRules; readonly exposure: string | null } {
  const compiled = compileRules(settings)
  if (!compiled.ok) throw new ConfigError(compiled.errors.join('; '))
  for (const warning of compiled.warnings) log.warn({}, warning)
  return compiled
}

/** Whether people can have a role by signing in. */
function hasRoles({ auth }: AccessSettings): boolean {
  const { issuer, viewer, operator, admin } = auth.oauth.login
  return issuer !== null && (viewer !== null || operator !== null || admin !== null)
}

function readBase(text: string | null, errors: string[]): AccessRules['base'] {
  if (text === null) return null
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    errors.push(`base_url: "${text}" is no http or https URL without query`)
    return null
  }
  return {
    proto: url.protocol.slice(0, -1),
    host: url.host,
    prefix: url.pathname.replace(/\/+$/, ''),
    loopback: parseHost(url.host)?.loopback === true,
  }
}

/** `null` is a legal entry: the origin of sandboxed pages and local files. */
function readOrigin(text: string, errors: string[]): string {
  const origin = text === 'null' ? 'null' : URL.parse(text)?.origin
  if (origin === undefined || (origin === 'null' && text !== 'null')) {
    errors.push(`security.allowed_origins: "${text}" is no web origin, such as https://app.example`)
  }
  return origin ?? ''
}

function readHosts(
  settings: AccessSettings,
  baseHost: string | null,
  errors: string[],
): ReadonlySet<string> | null {
  const hosts = new Set<string>()
  for (const text of settings.security.allowedHosts) {
    const host = parseHost(text)
    if (host === null)
      errors.push(`security.allowed_hosts: "${text}" is no host name, such as gateway.example`)
    else hosts.add(host.port === '' ? host.name : `${host.name}:${host.port}`)
  }
  if (hosts.size === 0 && !isLoopbackHost(settings.host)) return null
  const base = baseHost === null ? null : parseHost(baseHost)
  if (base !== null) hosts.add(base.name)
  return hosts
}

/** A block that is every address believes, or keeps out, nobody in particular. */
function everyoneWarnings({ auth, security }: AccessSettings): readonly string[] {
  const every = (blocks: readonly string[]): string | undefined => blocks.find((text) => text.endsWith('/0'))
  const [proxy, admin] = [every(security.trustedProxies), every(auth.adminAllowIps)]
  return [
    ...(proxy === undefined
      ? []
      : [
          `security.trusted_proxies holds ${proxy}, which is every address: any client can say that it comes from anywhere, this machine included`,
        ]),
    ...(admin === undefined
      ? []
      : [`auth.admin_allow_ips holds ${admin}, which is every address: nobody is kept out`]),
  ]
}

function exposureOf({ host, auth }: AccessSettings): string | null {
  const keyed = auth.keys.some(({ role }) => role === null)
  const open = auth.globalTokens.length === 0 && auth.oauth.issuers.length === 0 && !keyed
  return open && !isLoopbackHost(host)
    ? `listening on ${host} without auth.global_tokens: everyone who reaches this address can use every server`
    : null
}

function sharedTokenWarnings({ auth }: AccessSettings): readonly string[] {
  return auth.globalTokens.some((token) => auth.adminTokens.includes(token))
    ? [
        'a token stands in auth.global_tokens and in auth.admin_tokens: every client that has it can administer the gateway',
      ]
    : []
}
