/**
 * Which connection serves whom: the rules of isolation, as data that names a lane.
 *
 * Two clients with the same key share a connection. `auto` gives a session of its own to everybody who could be
 * asked something, and to everybody over HTTP, where a session costs the server little; the rest of a principal
 * shares one process. A stateless client is whoever names itself alike with every request: all that it does goes over
 * one connection, because what a tool leaves behind must be there for the next one.
 */
import type { Era } from '../../protocol/eras.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { callerOf } from '../../telemetry/callers.ts'
import type { LaneClient } from '../connection/client.ts'

/** What distinguishes one lane from another. */
export interface LaneRole {
  readonly key: string
  readonly era: Era
  /** The one client that this lane speaks for, or null. */
  readonly owner: LaneClient | null
  /** True when the owner says `notifications/initialized` itself; else the lane says it at once. */
  readonly ownerAnnounces: boolean
  /** Which of the rules made it so, for people. */
  readonly why: string
}

/** The lane of somebody, by the era that it is opened in. */
export type RoleOf = (era: Era) => LaneRole

/** A lane as log lines name it: whose it is. Its key may hold the id of a session, which is a secret. */
export function laneName({ key, owner }: Pick<LaneRole, 'key' | 'owner'>): string {
  if (owner !== null) return `own of ${callerOf(owner.principalId)}`
  return key.startsWith(principalMark) ? `of ${callerOf(key.slice(principalMark.length))}` : key
}

const principalMark = 'principal '

/** The lane of a session. */
export function sessionRole(definition: ServerDefinition, client: LaneClient, era: Era): LaneRole {
  const { isolation, transport } = definition
  if (era === 'modern' && (isolation !== 'session' || transport !== 'stdio')) return modernRole
  const why = whyOwn(definition, client)
  return why !== null
    ? { key: `session ${client.id}`, era, owner: client, ownerAnnounces: true, why }
    : plainRole(definition, client.principalId)
}

/** The lane of a stateless client's request; `client` is null for clients that can be asked nothing. */
export function statelessRole(
  definition: ServerDefinition,
  principalId: string,
  client: LaneClient | null,
  era: Era,
): LaneRole {
  if (era === 'modern') return modernRole
  return client && definition.isolation !== 'shared'
    ? { key: client.id, era, owner: client, ownerAnnounces: false, why: 'it names itself alike each time' }
    : plainRole(definition, principalId)
}

/** The primary lane is a lane that clients use too, where that gives nobody another one's state. */
export function primaryRole(definition: ServerDefinition, openAccess: boolean, era: Era): LaneRole {
  if (era === 'modern') return modernRole
  const { isolation } = definition
  const serves = isolation === 'shared' || (isolation === 'auto' && openAccess)
  return serves ? plainRole(definition, 'anonymous') : gatewayRole
}

/** The primary lane while no client uses it. */
export const gatewayRole: LaneRole = {
  key: 'gateway',
  era: 'legacy',
  owner: null,
  ownerAnnounces: false,
  why: 'the gateway itself',
}

/**
 * Over HTTP a modern request is tried first, as the specification has it. Over stdio an old server may exit
 * on anything before `initialize`, and a new one answers that with an error, so the old way comes first.
 */
export function primaryOrder({ transport }: ServerDefinition): readonly Era[] {
  if (transport === 'sse') return ['legacy']
  return transport === 'stdio' ? ['legacy', 'modern'] : ['modern', 'legacy']
}

/** Every request on it says whose it is, so one connection is enough. */
export const modernRole: LaneRole = {
  key: 'modern',
  era: 'modern',
  owner: null,
  ownerAnnounces: false,
  why: 'each request says whose it is',
}

/** The lane of clients that cannot be asked anything. */
function plainRole({ isolation }: ServerDefinition, principalId: string): LaneRole {
  const plain = { era: 'legacy', owner: null, ownerAnnounces: false } as const
  return isolation === 'shared'
    ? { ...plain, key: 'all', why: 'isolation: shared' }
    : { ...plain, key: `${principalMark}${principalId}`, why: 'its clients can be asked nothing' }
}

/** Why a session has a lane of its own, or null where it has not. */
function whyOwn({ isolation, transport }: ServerDefinition, client: LaneClient): string | null {
  if (isolation === 'shared') return null
  if (isolation === 'session') return 'isolation: session'
  if (transport !== 'stdio') return 'a session costs a server over HTTP little'
  return client.interactive ? 'its client can be asked' : null
}
