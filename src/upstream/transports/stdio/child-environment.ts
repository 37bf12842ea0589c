/**
 * The environment of a child process: what its definition says, on top of very little.
 *
 * The gateway's own environment holds its tokens (`MCP_PROXY_*`) and switches that would change what a
 * Bun-based child runs (`BUN_OPTIONS`, `BUN_BE_BUN`), so names are allowed one by one, never denied.
 * Proxy variables are left out because they often carry a password.
 */

/** Variables that a child takes over from the gateway, when they are set. */
const inheritedNames = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'TZ'] as const

/** `LC_ALL`, `LC_CTYPE` and their like. */
const localePrefix = 'LC_'

/** The definition wins over what is inherited. */
export function childEnvironment(
  gateway: Readonly<Record<string, string | undefined>>,
  definition: Readonly<Record<string, string>>,
): Record<string, string> {
  const inherited: Record<string, string> = {}
  const locale = Object.keys(gateway).filter((name) => name.startsWith(localePrefix))
  for (const name of [...inheritedNames, ...locale]) {
    const value = gateway[name]
    if (value !== undefined) inherited[name] = value
  }
  return { ...inherited, ...definition }
}
