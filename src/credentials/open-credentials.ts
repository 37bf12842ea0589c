/** Opens what the gateway keeps of credentials towards servers, when something needs it. Nothing is loaded for nothing. */
import { join, resolve } from 'node:path'
import type { CredentialOwner } from '../access/owner/credential-owner.ts'
import type { Config } from '../config/schema.ts'
import { GatewayError, reasonOf } from '../errors.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import { isUserValueName } from '../registry/secrets/user-values.ts'
import type { Sharers } from '../registry/storage/sharers.ts'
import type { DefinitionStore } from '../registry/storage/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { ListenAddress, UrlPolicy } from '../upstream/transports/http/client/url-guard.ts'
import { OAuthOpener, type WaitingServers } from './oauth/open-oauth.ts'
import type { UserValues } from './user-values/user-values.ts'
import type { Rotation, Vault } from './vault/vault.ts'

export interface CredentialsParts {
  readonly store: DefinitionStore
  readonly log: Log
  /** Those in force. */
  readonly settings: { readonly config: Pick<Config, 'secrets' | 'baseUrl' | 'tls'> }
  /** The processes that share the store. */
  readonly sharers: Sharers
  /** The state directory; null where nothing outlives the process. */
  readonly directory: string | null
  readonly servers: () => WaitingServers & {
    credentialsChanged(name: string, owner: CredentialOwner, ended: boolean): void
  }
  readonly urlPolicy: UrlPolicy
  /** Where the gateway listens; null as long as it does not. */
  readonly state: { readonly listening: ListenAddress | null }
}

export class CredentialsOpener {
  readonly #parts: CredentialsParts
  #vault: Promise<Vault> | null = null
  #loading: Promise<UserValues> | null = null
  #values: UserValues | null = null
  /** Logins at servers that ask for OAuth. */
  readonly logins: OAuthOpener

  constructor(parts: CredentialsParts) {
    this.#parts = parts
    const { store } = parts
    this.logins = new OAuthOpener({
      ...parts,
      vault: () => this.vault(),
      confirm: (work) => store.confirm?.(work) ?? work(),
    })
  }

  /** The one vault of the gateway, loaded. */
  vault(): Promise<Vault> {
    this.#vault ??= this.#openVault()
    return this.#vault
  }

  /** What users have stored for servers, loaded. */
  userValues(): Promise<UserValues> {
    this.#loading ??= this.#openUserValues()
    return this.#loading
  }

  /** What servers ask for. */
  readonly forServers = {
    filled: (definition: ServerDefinition, owner: CredentialOwner) => this.#filled(definition, owner),
    ownersExpected: () => this.#expect(),
  }

  /** A server is there that takes credentials of each user: they will be asked for. */
  #expect(): void {
    void this.userValues().catch((thrown: unknown) =>
      this.#parts.log.error({ reason: reasonOf(thrown) }, 'stored credentials cannot be loaded'),
    )
  }

  /** The definition with what this user has stored. Throws CREDENTIAL_MISSING or SECRETS_LOCKED. */
  #filled(definition: ServerDefinition, owner: CredentialOwner): ServerDefinition {
    if (this.#values !== null) return this.#values.filled(definition, owner)
    this.#expect()
    throw new GatewayError('SERVER_STARTING', 'Stored credentials are being loaded.', 1)
  }

  /** What the pages and paths of users take of it. */
  forUsers<D>(directory: D) {
    const { log, store } = this.#parts
    const confirm = <T>(work: () => Promise<T>): Promise<T> => store.confirm?.(work) ?? work()
    const logins = () => this.logins.load()
    return { directory, log, confirm, logins, userValues: () => this.userValues() }
  }

  /** Another process has written into the store that both have. */
  async takeStored(): Promise<void> {
    if (this.#vault !== null) (await this.#vault).takeStored()
  }

  /** Seals everything with a new key. */
  async rotate(): Promise<Rotation> {
    const [vault, { makeSealingKey }] = await Promise.all([this.vault(), import('./vault/sealing-key.ts')])
    return vault.rotate(makeSealingKey)
  }

  /** A server was removed by an admin: nobody's credentials are for another one of that name. */
  async removed(server: string): Promise<void> {
    if (this.#parts.store.records('credential').size > 0) (await this.vault()).removed(server)
  }

  async #openUserValues(): Promise<UserValues> {
    const [vault, { UserValues }] = await Promise.all([this.vault(), import('./user-values/user-values.ts')])
    const { servers, settings, log } = this.#parts
    vault.onChange((owner, server, name) => {
      const ended = () => vault.list({ owner, server, prefix: name }).every((found) => found.name !== name)
      if (isUserValueName(name)) servers().credentialsChanged(server, owner, ended())
    })
    this.#values = new UserValues(
      vault,
      () => {
        const { baseUrl } = settings.config
        return baseUrl === null ? null : `${baseUrl}/me`
      },
      log,
    )
    return this.#values
  }

  async #openVault(): Promise<Vault> {
    const [{ Vault }, { givenKeys, passingKeys }, { keyFile }] = await Promise.all([
      import('./vault/vault.ts'),
      import('./vault/sealing-keys.ts'),
      import('./vault/key-file.ts'),
    ])
    const { store, log, directory } = this.#parts
    const { key, keyFile: path } = this.#parts.settings.config.secrets
    const file = path ?? (directory === null ? null : join(directory, 'secrets.key'))
    const keys = key !== null ? givenKeys(key) : file === null ? passingKeys() : keyFile(resolve(file))
    const vault = new Vault(store, keys)
    try {
      // Somebody has changed the key, or was ended while they did.
      const { resealed, unopened } = vault.resealAll()
      if (resealed > 0)
        log.info({ credentials: resealed }, 'stored credentials are sealed with the newest key')
      if (unopened > 0) log.warn({ credentials: unopened }, 'the key of some stored credentials is not there')
    } catch (thrown) {
      log.warn({ reason: reasonOf(thrown) }, 'stored credentials cannot be opened')
    }
    return vault
  }
}
