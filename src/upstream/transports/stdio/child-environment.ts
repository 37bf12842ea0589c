/**
 * The environment of a child process: what its definition says, on top of what a program needs to work as it does
 * in a shell of the same machine.
 *
 * The gateway's own environment holds its tokens (`MCP_PROXY_*`) and switches that would change what a
 * Bun-based child runs (`BUN_OPTIONS`, `BUN_BE_BUN`), so names are allowed one by one, never denied. What proxies
 * and package indexes have of credentials is masked in all that a child prints (`inheritedSecrets`).
 */

/** Who and where the child is. */
const identityNames = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TERM', 'LANG', 'TMPDIR', 'TZ'],
  // Where uv and others keep their settings, tools and downloads.
  ...['XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME'],
]

/** Whom it trusts: without these a company's own authority fails what works in the shell. */
const authorityNames = [
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_EXTRA_CA_CERTS', 'NODE_USE_SYSTEM_CA'],
  ...['REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'GIT_SSL_CAINFO', 'PIP_CERT'],
  ...['UV_NATIVE_TLS', 'UV_SYSTEM_CERTS', 'NPM_CONFIG_CAFILE', 'npm_config_cafile'],
]

/** How it reaches the network, and where npx, uvx and pip find packages. Their URLs may hold credentials. */
export const addressNames: readonly string[] = [
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'],
  ...['NPM_CONFIG_REGISTRY', 'npm_config_registry', 'PIP_INDEX_URL', 'PIP_EXTRA_INDEX_URL'],
  ...['UV_DEFAULT_INDEX', 'UV_INDEX', 'UV_INDEX_URL', 'UV_EXTRA_INDEX_URL'],
]

const inheritedNames = [
  ...identityNames,
  ...authorityNames,
  ...addressNames,
  ...['NO_PROXY', 'no_proxy', 'NODE_USE_ENV_PROXY'],
]

/** `LC_ALL`, `LC_CTYPE` and their like. */
const localePrefix = 'LC_'

/**
 * The definition wins over what is inherited, in either case of a name: `HTTP_PROXY` of a definition would mean
 * nothing beside an inherited `http_proxy`. `more` are the names of `security.child_environment`.
 */
export function childEnvironment(
  gateway: Readonly<Record<string, string | undefined>>,
  definition: Readonly<Record<string, string>>,
  more: readonly string[] = [],
): Record<string, string> {
  const inherited: Record<string, string> = {}
  const defined = new Set(Object.keys(definition).map((name) => name.toLowerCase()))
  const locale = Object.keys(gateway).filter((name) => name.startsWith(localePrefix))
  for (const name of [...inheritedNames, ...locale, ...more]) {
    const value = gateway[name]
    if (value !== undefined && !defined.has(name.toLowerCase())) inherited[name] = value
  }
  return { ...inherited, ...definition }
}
