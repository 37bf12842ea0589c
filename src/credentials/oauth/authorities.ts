/**
 * The authorization servers of servers, as whichever client the gateway is there: found anew for a login that begins,
 * and again for one that there is.
 */
import { createHash } from 'node:crypto'
import { sharedOwner } from '../../access/owner/credential-owner.ts'
import { GatewayError } from '../../errors.ts'
import { isLoopbackHost } from '../../net/host.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { type IdentityProviderSettings, settingsOf } from '../../registry/oauth/oauth-settings.ts'
import type { Sharers } from '../../registry/storage/sharers.ts'
import type { Ask } from '../../upstream/transports/http/client/small-requests.ts'
import { type BearerChallenge, bearerChallenge } from './challenge.ts'
import { authorityOf, discover } from './discovery.ts'
import { loginOf, type OpenedAuthority, originOf, wantedScopes } from './logins.ts'
import { ProofKey } from './proof-key.ts'
import {
  type ClientMemory,
  type ClientPlaces,
  clientDocument,
  clientFor,
  clientOfLogin,
  registeredClient,
} from './registration.ts'
import { clientIn, entryNames, type LoginVault, type PendingLogin, type StoredLogin } from './stored.ts'
import { outage, TokenEndpoint, TokenRefused } from './token-endpoint.ts'

export interface AuthorityParts {
  readonly vault: LoginVault
  readonly ask: Ask
  readonly sharers: Pick<Sharers, 'nowMs'>
  /** The URL of the gateway as browsers know it, no trailing slash. */
  base(): string
  /** Those of all registered servers. */
  definitions(): readonly ServerDefinition[]
}

const callbackIdLength = 22

export class Authorities {
  readonly #parts: AuthorityParts

  constructor(parts: AuthorityParts) {
    this.#parts = parts
  }

  /** Where authorization servers send people back to: another place for each server, so that none can be mixed up. */
  redirectUrl(definition: ServerDefinition): string {
    return `${this.#parts.base()}/oauth/callback/${callbackId(definition)}`
  }

  /** The metadata document at `/oauth/clients/ID`; null for what is none. */
  document(id: string): ReturnType<typeof clientDocument> | null {
    const found = this.#parts.definitions().find((definition) => {
      return definition.oauth !== undefined && callbackId(definition) === id
    })
    const url = found === undefined ? null : this.#places(found).documentUrl
    return found === undefined || url === null ? null : clientDocument(url, this.redirectUrl(found))
  }

  /** Everything asked for anew. Rejects with a GatewayError. */
  async opened(definition: ServerDefinition, challenge: BearerChallenge | null): Promise<OpenedAuthority> {
    const { ask } = this.#parts
    const settings = settingsOf(definition)
    const authority = await discover(ask, definition.url, settings, challenge)
    const memory = this.#memoryOf(definition.name)
    const client = await clientFor(authority, settings, this.#places(definition), memory, ask)
    const endpoint = new TokenEndpoint(authority, client, ask, settings.dpop ? new ProofKey() : null)
    return { authority, clientId: client.id, endpoint }
  }

  /** For a login that has begun. */
  async reopened(definition: ServerDefinition, pending: PendingLogin): Promise<OpenedAuthority> {
    const { ask } = this.#parts
    const settings = settingsOf(definition)
    const authority = await authorityOf(ask, definition.url, settings, pending)
    const { clientId } = pending
    const client = clientOfLogin(clientId, authority.metadata, settings, this.#memoryOf(definition.name))
    if (client === null)
      throw new GatewayError('SIGN_IN_FAILED', 'The gateway is another client there by now. Begin again.')
    const endpoint = new TokenEndpoint(authority, client, ask, settings.dpop ? new ProofKey() : null)
    return { authority, clientId, endpoint }
  }

  /** Where a login that there is came from; null where its client is not known any more. */
  async endpointOf(definition: ServerDefinition, login: StoredLogin): Promise<TokenEndpoint | null> {
    const { ask } = this.#parts
    const settings = settingsOf(definition)
    const authority = await authorityOf(ask, definition.url, settings, login)
    const memory = this.#memoryOf(definition.name)
    const client = clientOfLogin(login.clientId, authority.metadata, settings, memory)
    const { proofKey } = login
    const key = proofKey === undefined ? null : new ProofKey(proofKey)
    return client === null ? null : new TokenEndpoint(authority, client, ask, key)
  }

  /** Where a company says who its people are, for tokens at that resource. Rejects with a GatewayError. */
  async providerOf(
    definition: ServerDefinition,
    { issuer, client }: IdentityProviderSettings,
    resource: string | null,
  ): Promise<TokenEndpoint> {
    const { ask } = this.#parts
    const settings = { ...settingsOf(definition), issuer }
    const authority = await authorityOf(ask, definition.url, settings, { issuer, resource })
    return new TokenEndpoint(authority, registeredClient(client, authority.metadata), ask)
  }

  /** A token for the client itself. */
  async obtained(
    definition: ServerDefinition,
    challenge: BearerChallenge | null,
    scopesBefore: readonly string[],
  ): Promise<StoredLogin> {
    const { authority, clientId, endpoint } = await this.opened(definition, challenge)
    const scopes = wantedScopes({ definition, challenge, scopesBefore }, authority, false)
    try {
      const given = await endpoint.withOwnCredentials(scopes)
      return loginOf(originOf(definition), authority, clientId, scopes, given, this.#parts.sharers.nowMs())
    } catch (thrown) {
      if (!(thrown instanceof TokenRefused)) throw outage(authority.issuer, thrown)
      throw new GatewayError(
        'UPSTREAM_UNAUTHORIZED',
        `${authority.issuer} gives the gateway no token for ${definition.name} (${thrown.code}): check oauth.client and oauth.scopes of the server.`,
      )
    }
  }

  /** What the server says to somebody without a token; null where it says nothing of one. */
  async challengeOf({ url }: ServerDefinition): Promise<BearerChallenge | null> {
    const headers = { accept: 'text/event-stream' }
    const answer = await this.#parts.ask({ url, learnedFrom: null, headers }).catch(() => null)
    return answer?.status === 401 ? bearerChallenge(answer.challenge) : null
  }

  /** The client that was registered for this server is known no more. */
  forgetClient({ name }: ServerDefinition): void {
    this.#parts.vault.delete(sharedOwner, name, entryNames.client)
  }

  #places(definition: ServerDefinition): ClientPlaces {
    const base = this.#parts.base()
    const { protocol, hostname } = new URL(base)
    const isPublic = protocol === 'https:' && !isLoopbackHost(hostname)
    return {
      redirectUrl: this.redirectUrl(definition),
      documentUrl: isPublic ? `${base}/oauth/clients/${callbackId(definition)}` : null,
    }
  }

  #memoryOf(server: string): ClientMemory {
    const { vault } = this.#parts
    return {
      read: () => {
        const entry = vault.read(sharedOwner, server, entryNames.client)
        return entry === null ? null : clientIn(entry.value)
      },
      write: (client) =>
        void vault.write(
          sharedOwner,
          server,
          entryNames.client,
          JSON.stringify(client),
          undefined,
          client.issuer,
        ),
    }
  }
}

function callbackId({ name }: ServerDefinition): string {
  return createHash('sha256').update(`callback ${name}`).digest('base64url').slice(0, callbackIdLength)
}
