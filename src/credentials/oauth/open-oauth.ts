/** Opens the room of OAuth towards servers where a definition has `oauth`. Nothing is loaded for nothing. */

import type { CallerTokenPlace } from '../../access/owner/caller-token.ts'
import { ownerOf, sharedOwner } from '../../access/owner/credential-owner.ts'
import type { Config } from '../../config/schema.ts'
import { reasonOf } from '../../errors.ts'
import { urlHost } from '../../net/host.ts'
import { outgoingProxies } from '../../net/outgoing-proxy.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { isExchanged, takesCallersToken } from '../../registry/oauth/oauth-settings.ts'
import type { Sharers } from '../../registry/storage/sharers.ts'
import type { Log } from '../../telemetry/log.ts'
import type { LoginFigures } from '../../telemetry/metrics.ts'
import type { ServerState } from '../../upstream/server/directory.ts'
import type { TokenSource } from '../../upstream/transports/http/client/token-source.ts'
import type { ListenAddress, UrlPolicy } from '../../upstream/transports/http/client/url-guard.ts'
import type { LoginView } from './login-view.ts'
import type { OAuthClients } from './oauth-clients.ts'
import type { Confirm, LoginVault } from './stored.ts'

export interface OAuthOpenerParts {
  readonly log: Log
  readonly urlPolicy: UrlPolicy
  /** Those in force. */
  readonly settings: { readonly config: Pick<Config, 'baseUrl' | 'tls'> }
  /** Where the gateway listens; null as long as it does not. */
  readonly state: { readonly listening: ListenAddress | null }
  /** Where logins are kept, loaded. */
  vault(): Promise<LoginVault>
  readonly confirm: Confirm
  /** Those that share the vault. */
  readonly sharers: Sharers
  /** The registered servers. */
  servers(): WaitingServers
}

/** Servers that may have waited for a login. */
export interface WaitingServers {
  list(): readonly WaitingServer[]
  get(name: string): WaitingServer | undefined
  restart(name: string): Promise<void>
  /** The credentials of this user at a server are others than before. */
  credentialsChanged(name: string, owner: string, ended: boolean): void
}

/** A server that may have waited for a login. */
interface WaitingServer {
  readonly definition: ServerDefinition
  readonly state: ServerState
  /** Its tools are others than before. */
  announceTools(): void
}

export class OAuthOpener {
  readonly #parts: OAuthOpenerParts
  #loading: Promise<OAuthClients> | null = null
  #clients: OAuthClients | null = null
  /** The tokens of callers, for servers that take them in exchange. */
  readonly callers: CallerTokenPlace = { wanted: false, tokens: null, renewed: () => {} }

  constructor(parts: OAuthOpenerParts) {
    this.#parts = parts
  }

  /** What brings the tokens of this owner for this server; null where it wants none of the gateway's. */
  tokens(definition: ServerDefinition, owner: string | null): TokenSource | null {
    const { oauth } = definition
    if (oauth === undefined) return null
    const whose = oauth.account === 'shared' ? sharedOwner : owner
    let account: TokenSource | null = null
    const source = async (): Promise<TokenSource> => {
      account ??= (await this.load()).source(definition, whose ?? '')
      return account
    }
    // What is loaded by now costs nothing from here on.
    return {
      current: () => {
        account ??= this.#clients?.source(definition, whose ?? '') ?? null
        return account === null ? source().then((loaded) => loaded.current()) : account.current()
      },
      refused: async (token, refusal) => (await source()).refused(token, refusal),
      // Asked for once there is a token: whoever brings it is loaded.
      ...(oauth.dpop
        ? {
            proofs: {
              of: (token, method, url) => account?.proofs?.of(token, method, url) ?? null,
              wants: (nonce) => account?.proofs?.wants(nonce),
            },
          }
        : {}),
    }
  }

  /** How the login of this owner stands, where that is known by now. */
  view(definition: ServerDefinition, owner: string = sharedOwner): LoginView | null {
    return this.#clients?.view(definition, owner) ?? null
  }

  /** How all logins fare; nothing as long as none was asked for. */
  get figures(): readonly LoginFigures[] {
    return this.#clients?.figures() ?? []
  }

  /** A server is there with this definition: callers come with what it takes from their first request on. */
  expect({ oauth }: ServerDefinition): void {
    if (oauth !== undefined && takesCallersToken(oauth)) this.callers.wanted = true
  }

  /** What the pages of logins use of this room. */
  door<A, S>(access: A, signIn: S) {
    const { servers } = this.#parts
    const takesLogins = ({ oauth }: ServerDefinition): boolean => oauth !== undefined && !isExchanged(oauth)
    const wantsLogin = (name: string): boolean => {
      const server = servers().get(name)
      return server !== undefined && takesLogins(server.definition)
    }
    const wantsLogins = (): boolean =>
      servers()
        .list()
        .some(({ definition }) => takesLogins(definition))
    return { access, load: () => this.load(), wantsLogin, wantsLogins, signIn, ownerOf }
  }

  /** The room, loaded. */
  load(): Promise<OAuthClients> {
    this.#loading ??= this.#load()
    return this.#loading
  }

  close(): void {
    this.#clients?.close()
  }

  async #load(): Promise<OAuthClients> {
    const { log, urlPolicy, vault, confirm, sharers, servers } = this.#parts
    const [{ OAuthClients }, { smallRequests }, opened] = await Promise.all([
      import('./oauth-clients.ts'),
      import('../../upstream/transports/http/client/small-requests.ts'),
      vault(),
    ])
    this.#clients = new OAuthClients({
      vault: opened,
      confirm,
      sharers,
      ask: smallRequests(urlPolicy, outgoingProxies(process.env)),
      log,
      base: () => this.#base(),
      definition: (name) => servers().get(name)?.definition,
      definitions: () =>
        servers()
          .list()
          .map(({ definition }) => definition),
      loggedIn: ({ owner, server }) => this.#loggedIn(owner, server),
      loggedOut: ({ owner, server }) => servers().credentialsChanged(server, owner, true),
      credentialsChanged: (server, owner) => servers().credentialsChanged(server, owner, false),
      callers: this.callers,
    })
    return this.#clients
  }

  /** A server that waits for a login is tried again at once; one that lets everybody in lists other tools, perhaps. */
  #loggedIn(owner: string, name: string): void {
    const servers = this.#parts.servers()
    const server = servers.get(name)
    servers.credentialsChanged(name, owner, false)
    if (owner !== sharedOwner || server === undefined) return
    if (server.state === 'connected') server.announceTools()
    else if (server.state === 'error')
      servers.restart(name).catch((thrown: unknown) => {
        this.#parts.log.warn(
          { mcp: name, reason: reasonOf(thrown) },
          'a server could not be tried after a login',
        )
      })
  }

  /** Where browsers find the gateway; without a base URL, from this machine alone. */
  #base(): string {
    const { baseUrl, tls } = this.#parts.settings.config
    if (baseUrl !== null) return baseUrl
    const { host, port } = this.#parts.state.listening ?? { host: '127.0.0.1', port: 0 }
    const everywhere = host === '0.0.0.0' || host === '::'
    const name = everywhere ? '127.0.0.1' : host
    return `${tls.certFile === null ? 'http' : 'https'}://${urlHost(name)}:${port}`
  }
}
