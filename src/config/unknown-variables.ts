/**
 * Judges variables that look like ours and are none. A mistyped `MCP_PROXY_GLOBAL_AUTH_TOKENS` would leave the door
 * open that it was to close, so a near name stops the start.
 *
 * Not every `MCP_PROXY_` variable is meant for us. Kubernetes puts some into each pod beside a Service whose name begins
 * with `mcp-proxy`, and programs that use the gateway call its address `MCP_PROXY_URL`.
 */
import { nearestName } from '../registry/nearest-name.ts'
import type { Environment } from './expand.ts'
import type { Faults } from './faults.ts'
import { namedSettings } from './shape.ts'

export const configVariable = 'COMPOZY_CONFIG'
export const debugVariable = 'MCP_PROXY_DEBUG'
const prefix = 'MCP_PROXY_'
const productPrefix = 'COMPOZY_'

/** Only these are looked at more closely: an environment has a hundred others. */
const candidate = /^(?:MCP|COMPOZY_)|PROX(?:Y|IE?)?_/i

const linkName =
  /^(?:MCP_PROXY|COMPOZY)(?:_[A-Z0-9]+)*_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/
const linkPortName = /^(?:MCP_PROXY|COMPOZY)(?:_[A-Z0-9]+)*_PORT$/
const linkPortValue = /^(?:tcp|udp|sctp):\/\//

/** A variable with such a word was to close or open a door, whichever it was. */
const doorWords = /TOKEN|AUTH|ADMIN|ALLOW|TRUST|SECRET|PASS|KEY|ORIGIN|HOST|BIND|LISTEN|ADDR|_IPS?$/
/** Where programs that use a gateway look for it. */
const ofClients: ReadonlySet<string> = new Set(['MCP_PROXY_URL', 'MCP_PROXY_MODE'])

/** True for what Kubernetes sets for a Service, such as `MCP_PROXY_PORT=tcp://10.0.0.1:6001`. */
export function isServiceLink(name: string, value: string): boolean {
  return linkName.test(name) || (linkPortName.test(name) && linkPortValue.test(value))
}

/** Adds a fault for each variable that is a slip, and a warning for one of our prefix that may be another program's. */
export function checkVariables(environment: Environment, faults: Faults, warnings: string[]): void {
  for (const name of Object.keys(environment)
    .filter((each) => candidate.test(each))
    .sort()) {
    if (isKnown(name) || ofClients.has(name) || isServiceLink(name, environment[name] ?? '')) continue
    const upper = name.toUpperCase()
    const [bare, twin] = upper.endsWith('_FILE') ? [upper.slice(0, -5), '_FILE'] : [upper, '']
    const meant = meantBy(bare)
    if (meant !== null) faults.add(`${name} is not a known variable; did you mean ${meant}${twin}?`)
    else if (upper.startsWith(prefix)) {
      if (doorWords.test(bare)) faults.add(`${name} is not a known variable; known are ${doors.join(', ')}`)
      else warnings.push(`${name} is not a known variable`)
    }
  }
}

const variables = [...namedSettings.map(({ env }) => env), debugVariable]
const known: ReadonlySet<string> = new Set([...variables, configVariable])
const endings = variables.map((name) => name.slice(prefix.length))
/** Names after the key in the file, where the published reference chose another one. */
const byKey = new Map(
  namedSettings.map(({ key, env }) => [`${prefix}${key.replaceAll('.', '_').toUpperCase()}`, env]),
)
const doors = namedSettings.flatMap(({ key, env, flag }) =>
  key === 'host' || (/^(?:auth|security)\./.test(key) && flag !== null) ? [env] : [],
)

function isKnown(name: string): boolean {
  return known.has(name) || known.has(name.replace(/_FILE$/, ''))
}

/** @param name in upper case, without `_FILE`. */
function meantBy(name: string): string | null {
  if (known.has(name)) return name
  if (name.startsWith(prefix)) {
    // Compared without what all have in common, which would make any short name near to any other.
    const ending = nearestName(name.slice(prefix.length), endings)
    return byKey.get(name) ?? (ending === null ? null : prefix + ending)
  }
  if (name.startsWith(productPrefix)) return meantByProduct(name.slice(productPrefix.length))
  // A flag is called --mcp-admin-tokens. MCP_HOST and MCP_PORT are other programs' as well, so only doors count.
  const asFlag = name.replace(/^MCP_(?!PROXY)/, prefix)
  if (doors.includes(asFlag) && name !== 'MCP_HOST') return asFlag
  const nearest = nearestName(name, variables)
  return nearest !== null && isNearPrefix(name) ? nearest : null
}

/** `COMPOZY_MCP_PROXY_HOST`, `COMPOZY_ADMIN_TOKENS`, `COMPOZY_CONFIG_PATH`. */
function meantByProduct(ending: string): string | null {
  if (known.has(ending)) return ending
  if (doors.includes(prefix + ending) && ending !== 'HOST') return prefix + ending
  return /^(?:CONFIG|CFG$|CONF$)/.test(ending) || nearestName(ending, ['CONFIG']) !== null
    ? configVariable
    : null
}

/** Whether the beginning alone is ours with a slip in it: `MCPPROXY_`, `MCP_PROXIE_`, `MPC_PROXY_`. */
function isNearPrefix(name: string): boolean {
  const [begin = ''] = /^.*PROX[A-Z]*/.exec(name) ?? []
  return /^M?C?P?M?C?P?_?PROX/.test(name) && nearestName(begin, ['MCP_PROXY']) !== null
}
