/** The gateway as a client of one server, `docs`, without the rest of a gateway. */
import { OAuthClients, type OAuthParts } from '../../../src/credentials/oauth/oauth-clients.ts'
import { passingKeys } from '../../../src/credentials/vault/sealing-keys.ts'
import { Vault } from '../../../src/credentials/vault/vault.ts'
import { outgoingProxies } from '../../../src/net/outgoing-proxy.ts'
import type { ServerDefinition } from '../../../src/registry/definition.ts'
import { parseDefinition } from '../../../src/registry/definition-schema.ts'
import { noSharers } from '../../../src/registry/storage/sharers.ts'
import { createMemoryStore } from '../../../src/registry/storage/store.ts'
import { smallRequests } from '../../../src/upstream/transports/http/client/small-requests.ts'
import { silentLog } from '../../support/upstream-parties.ts'

/** A vault that is empty, and ends with the process. */
export const memoryVault = (): Vault => new Vault(createMemoryStore(), passingKeys())

/** Asks with this time for each answer, also at this machine. */
export const askWithin = (answerMs: number): OAuthParts['ask'] =>
  smallRequests({ privateUpstreams: 'allowed' }, outgoingProxies({}), answerMs)

/** The definition of what is written like this. */
export function defined(wire: object): ServerDefinition {
  const parsed = parseDefinition(wire, { now: '' })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.definition
}

/** `definition` is the one that is registered at the moment. */
export function clientsOf(definition: () => ServerDefinition, parts: Partial<OAuthParts>): OAuthClients {
  return new OAuthClients({
    vault: memoryVault(),
    confirm: (work) => work(),
    sharers: noSharers(),
    ask: askWithin(2_000),
    log: silentLog,
    base: () => 'http://127.0.0.1:6001',
    definition,
    definitions: () => [definition()],
    loggedIn: () => {},
    loggedOut: () => {},
    credentialsChanged: () => {},
    callers: { wanted: false, tokens: null, renewed: () => {} },
    ...parts,
  })
}
