/** Opens what the gateway keeps of credentials towards servers, when something needs it. Nothing is loaded for nothing. */
import { join, resolve } from 'node:path'
import type { CredentialOwner } from '../access/owner/credential-owner.ts'
import type { Config } from '../config/schema.ts'
import { GatewayError, reasonOf } from '../errors.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import { isUserValueName } from '../registry/secrets/user-values.ts'
import type { HeldKeys, KeyAgreement, Sharers } from '../registry/storage/sharers.ts'
import type { DefinitionStore } from '../registry/storage/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { ListenAddress, UrlPolicy } from '../upstream/transports/http/client/url-guard.ts'
import { OAuthOpener, type WaitingServers } from './oauth/open-oauth.ts'
import type { UserValues } from './user-values/user-values.ts'
import type { SealingKeys } from './vault/sealing-keys.ts'
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
  #keys: Promise<SealingKeys> | null = null
  #vault: Promise<Vault> | null = null
  #loading: Promise<UserValues> | null = null
  #values: UserValues | null = null
  /** Logins at servers that ask for OAuth. */
  readonly logins: OAuthOpener

  constructor(parts: CredentialsParts) {
    this.#parts = parts
    this.logins = new OAuthOpener({
      ...parts,
      vault: () => this.vault(),
      confirm: (work) => this.#confirm(work),
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
    ownersExpected: (definition: ServerDefinition) => {
      this.logins.expect(definition)
      this.#expect()
    },
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
    const { log } = this.#parts
    const confirm = <T>(work: () => Promise<T>): Promise<T> => this.#confirm(work)
    const logins = () => this.logins.load()
    return { directory, log, confirm, logins, userValues: () => this.userValues() }
  }

  /** Another process has written into the store that both have. */
  async takeStored(): Promise<void> {
    if (this.#vault !== null) (await this.#vault).takeStored()
  }

  /** What the other replicas ask of the keys here. */
  readonly heldKeys: HeldKeys = {
    ids: async () => (await this.#ownKeys()).read().map(({ id }) => id),
    openSomething: (ids) => !this.#isUsed || ids.some((id) => this.#isNeeded(id)),
    sealAnew: async () => {
      const vault = await this.vault()
      await this.#confirm(async () => vault.resealAll())
    },
  }

  /** Seals everything with a new key; of several replicas, once all of them have it. */
  async rotate(): Promise<Rotation> {
    const [vault, { makeSealingKey }] = await Promise.all([this.vault(), import('./vault/sealing-key.ts')])
    const { agreement } = this.#parts.sharers
    if (agreement === null) return vault.rotate(makeSealingKey)
    await this.#dropUnneeded(agreement)
    const begun = vault.rotate(makeSealingKey)
    const lacking = await agreement.changeOver()
    if (lacking.length > 0)
      throw new GatewayError(
        'BAD_REQUEST',
        `The new key is in ${begun.place}, and seals nothing before all replicas have it as their first one; these do not: ${lacking.join(', ')}. Give them the same keys in the same order; the change is then made by itself.`,
      )
    const { resealed, unopened } = await this.#confirm(async () => vault.resealAll())
    await this.#dropUnneeded(agreement)
    return { ...begun, resealed: begun.resealed + resealed, unopened }
  }

  /** Takes keys out of the file that seal nothing any more. */
  async #dropUnneeded({ agreed }: KeyAgreement): Promise<void> {
    const keys = await this.#ownKeys()
    const all = keys.read()
    const [first] = all
    if (keys.replace === null || first === undefined || first.id !== agreed) return
    const left = all.filter(({ id }) => id === agreed || this.#isNeeded(id))
    if (left.length < all.length) keys.replace(left)
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

  /** Resolves when what `work` has changed is there for all who share the store. */
  #confirm<T>(work: () => Promise<T>): Promise<T> {
    return this.#parts.store.confirm?.(work) ?? work()
  }

  get #isUsed(): boolean {
    return this.#parts.store.records('credential').size > 0
  }

  #isNeeded(id: string): boolean {
    const mark = `"key":${JSON.stringify(id)}`
    return [...this.#parts.store.records('credential').values()].some((record) => record.includes(mark))
  }

  /** The keys of this process, whatever others have. */
  #ownKeys(): Promise<SealingKeys> {
    this.#keys ??= this.#openKeys()
    return this.#keys
  }

  async #openKeys(): Promise<SealingKeys> {
    const [{ givenKeys, passingKeys }, { keyFile }] = await Promise.all([
      import('./vault/sealing-keys.ts'),
      import('./vault/key-file.ts'),
    ])
    const { settings, directory } = this.#parts
    const { key, keyFile: path } = settings.config.secrets
    const file = path ?? (directory === null ? null : join(directory, 'secrets.key'))
    return key !== null ? givenKeys(key) : file === null ? passingKeys() : keyFile(resolve(file))
  }

  async #openVault(): Promise<Vault> {
    const [{ Vault }, { agreedKeys }, own] = await Promise.all([
      import('./vault/vault.ts'),
      import('./vault/sealing-keys.ts'),
      this.#ownKeys(),
    ])
    const { store, log, sharers, settings } = this.#parts
    const { agreement } = sharers
    const mayMake = settings.config.secrets.keyFile !== null
    const isNeeded = (id: string): boolean => this.#isNeeded(id)
    const keys = agreement === null ? own : agreedKeys(own, { agreement, mayMake, isNeeded })
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
