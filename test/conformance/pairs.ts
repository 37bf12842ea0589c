/** Every way through the gateway that the conformance suite is sent, and what may be lost on it. */
import type { Eras } from '../support/dual-era-server.ts'
import type { Loss } from './compare.ts'
import type { Requirements } from './suite.ts'

export interface ServerPair {
  readonly kind: 'server'
  /** `stdio-both 2025-11-25 /stream`: what stands in the table and what `--only` matches. */
  readonly name: string
  readonly upstream: 'stdio' | 'http' | 'sse'
  /** The eras to which the fixture is restricted. */
  readonly era: Eras
  readonly requirements: Requirements
  readonly face: 'stream' | 'sse'
  /**
   * Whether the fixture is asked through a group: `alone` in it under its own names, or one of `four`, which are
   * old and new ones on pipes and over HTTP, under names that an adapter maps.
   */
  readonly group: 'none' | 'alone' | 'four'
  /** Bridges and the SSE face owe the required scenarios; the rest owes every scenario. */
  readonly owes: 'everything' | 'required'
}

export interface ClientPair {
  readonly kind: 'client'
  readonly name: string
  readonly requirements: Requirements
  readonly scenarios: readonly string[]
}

/**
 * The gateway as a client that needs a login: the suite is the server and its authorization server, and there is no
 * direct run to compare with. Every check counts.
 */
export interface AuthorizationPair {
  readonly kind: 'authorization'
  readonly name: string
  readonly isExtension: boolean
  readonly requirements: Requirements
  readonly scenarios: readonly string[]
}

export type Pair = ServerPair | ClientPair | AuthorizationPair

const legacyRevisions: readonly Requirements[] = ['2025-06-18', '2025-11-25']

/** Scenarios of the suite that no revision requires: run for what they show, not for the score. */
export const unscored: readonly string[] = [
  'server-session-lifecycle',
  'json-schema-2020-12',
  'server-sse-polling',
  'http-header-validation',
  'http-custom-header-server-validation',
]

/** What both revisions require. */
const authorization: readonly string[] = [
  ...['metadata-default', 'metadata-var1', 'metadata-var2', 'metadata-var3', 'basic-cimd'],
  ...['scope-from-www-authenticate', 'scope-from-scopes-supported', 'scope-omitted-when-undefined'],
  ...['scope-step-up', 'scope-retry-limit'],
  ...[
    'token-endpoint-auth-basic',
    'token-endpoint-auth-post',
    'token-endpoint-auth-none',
    'pre-registration',
  ],
]
/** What the newer one requires beside these. */
const newerAuthorization: readonly string[] = [
  ...['resource-mismatch', 'offline-access-scope', 'offline-access-not-supported'],
  'authorization-server-migration',
  ...['iss-supported', 'iss-not-advertised', 'iss-supported-missing', 'iss-wrong-issuer', 'iss-unexpected'],
  ...['iss-normalized', 'metadata-issuer-mismatch'],
]
/** Extensions that a gateway has a use for. */
const authorizationExtensions: readonly string[] = [
  ...['client-credentials-basic', 'client-credentials-jwt'],
  ...['enterprise-managed-authorization', 'wif-jwt-bearer', 'dpop', 'dpop-nonce'],
]

/** All of them, cheapest first. */
export const pairs: readonly Pair[] = [
  ...serverPairs(),
  ...ssePairs(),
  ...groupPairs(),
  ...fourPairs(),
  ...clientPairs(),
  ...authorizationPairs(),
]

/** Each way to a server once more, through a group of that server alone that leaves its names as they are. */
function* groupPairs(): Generator<ServerPair> {
  for (const pair of [...serverPairs(), ...ssePairs()])
    yield { ...pair, name: `${pair.name} in a group`, group: 'alone' }
}

/** Each member of a group of four, for clients of both eras, and for the old ones on the old transport too. */
function* fourPairs(): Generator<ServerPair> {
  for (const pair of serverPairs()) {
    if (pair.era === 'both' || pair.requirements === '2025-06-18') continue
    const name = `four: ${pair.era} ${pair.upstream} ${pair.requirements} /${pair.face}`
    yield { ...pair, name, group: 'four' }
  }
}

function* serverPairs(): Generator<ServerPair> {
  for (const upstream of ['http', 'stdio'] as const) {
    for (const requirements of legacyRevisions) {
      for (const era of ['legacy', 'both', 'modern'] as const) {
        const owes = era === 'modern' ? 'required' : 'everything'
        yield serverPair({ upstream, era, requirements, face: 'stream', owes })
        yield serverPair({ upstream, era, requirements, face: 'sse', owes: 'required' })
      }
    }
    for (const era of ['modern', 'both', 'legacy'] as const) {
      const owes = era === 'legacy' ? 'required' : 'everything'
      yield serverPair({ upstream, era, requirements: '2026-07-28', face: 'stream', owes })
    }
  }
}

/** HTTP+SSE is a transport of the legacy era only. */
function* ssePairs(): Generator<ServerPair> {
  for (const requirements of legacyRevisions) {
    for (const face of ['stream', 'sse'] as const) {
      const owes = face === 'stream' ? 'everything' : 'required'
      yield serverPair({ upstream: 'sse', era: 'legacy', requirements, face, owes })
    }
  }
  yield serverPair({
    upstream: 'sse',
    era: 'legacy',
    requirements: '2026-07-28',
    face: 'stream',
    owes: 'required',
  })
}

function serverPair(pair: Omit<ServerPair, 'kind' | 'name' | 'group'>): ServerPair {
  const name = `${pair.upstream}-${pair.era} ${pair.requirements} /${pair.face}`
  return { kind: 'server', name, group: 'none', ...pair }
}

function clientPairs(): ClientPair[] {
  return [
    {
      kind: 'client',
      name: 'client 2025-11-25',
      requirements: '2025-11-25',
      scenarios: ['initialize', 'tools_call', 'elicitation-sep1034-client-defaults', 'sse-retry'],
    },
    {
      kind: 'client',
      name: 'client 2026-07-28',
      requirements: '2026-07-28',
      scenarios: [
        'tools_call',
        'request-metadata',
        'http-standard-headers',
        'http-custom-headers',
        'http-invalid-tool-headers',
        'sep-2322-client-request-state',
        'json-schema-ref-no-deref',
      ],
    },
  ]
}

function authorizationPairs(): AuthorizationPair[] {
  const pair = (
    name: string,
    requirements: Requirements,
    scenarios: readonly string[],
  ): AuthorizationPair => ({
    kind: 'authorization',
    name: `authorization ${name}`,
    isExtension: scenarios === authorizationExtensions,
    requirements,
    scenarios: scenarios.map((scenario) => `auth/${scenario}`),
  })
  return [
    pair('2025-11-25', '2025-11-25', authorization),
    pair('2026-07-28', '2026-07-28', [...authorization, ...newerAuthorization]),
    pair('extensions 2026-07-28', '2026-07-28', authorizationExtensions),
  ]
}

/**
 * The one excuse: a pipe and the old SSE transport have no stream that a server could close in the middle
 * of a call, so the call's stream downstream stays open and the check for the reconnection has nothing to
 * look at.
 */
export function excused(pair: Pair, loss: Loss): boolean {
  return pair.kind === 'server' && pair.upstream !== 'http' && loss.check === 'server-sse-disconnect-resume'
}

/**
 * Each replica has a process of its own of a server that needs no sessions: that a call has changed its lists is told to
 * whoever listens at that replica (docs/SCALING.md).
 */
export function excusedOfReplicas(pair: Pair, { check }: Loss): boolean {
  return (
    pair.kind === 'server' &&
    pair.upstream === 'stdio' &&
    pair.group === 'none' &&
    check.endsWith('-list-changed-on-subscription')
  )
}

/** Whether a loss counts against the pair at all. */
export function owed(pair: Pair, loss: Loss): boolean {
  return pair.kind !== 'server' || pair.owes === 'everything' || !unscored.includes(loss.scenario)
}
