/** One key in use, with its secrets: the one that counts, and for a while the one before it. */
import { CallerLimits } from '../../access/caller-limits.ts'
import { type HeldKey, KeyGrants, keyPrincipal } from '../../access/key.ts'
import type { Principal } from '../../access/principal.ts'
import type { Key } from '../../registry/access/key-schema.ts'
import { digestIn } from './key-text.ts'

/** What is known of the secrets of a key. */
export interface KeySecrets {
  readonly hash: string
  /** ISO 8601; null for one that was never rotated. */
  readonly rotatedAt: string | null
  /** The secret before the last rotation, and until when it counts (wall clock). */
  readonly previous: { readonly hash: string; readonly endsAtMs: number } | null
}

export class KeyEntry {
  readonly source: 'file' | 'store'
  /** ISO 8601; null where nobody knows. */
  readonly createdAt: string | null
  readonly limits = new CallerLimits('this key')
  /** Counts up with each change. */
  version = 0
  /** False once it was taken back, or another one has its id. */
  inUse = true
  /** Wall clock; null for never. */
  lastUsedAtMs: number | null = null
  #key: Key
  #known: KeySecrets
  #secrets: readonly KeySecret[] = []

  constructor(key: Key, known: KeySecrets, source: 'file' | 'store', createdAt: string | null) {
    this.source = source
    this.createdAt = createdAt
    this.#key = key
    this.#known = known
    this.#secrets = this.#secretsOf(known)
    this.limits.allow(key.rate, key.inFlight)
  }

  get key(): Key {
    return this.#key
  }

  get known(): KeySecrets {
    return this.#known
  }

  get secrets(): readonly KeySecret[] {
    return this.#secrets
  }

  /** Whom it stands for. */
  get principal(): Principal | null {
    return this.#secrets[0]?.principal ?? null
  }

  /** Goes on as this key; what was opened with it follows. */
  change(key: Key): void {
    this.#key = key
    this.version++
    this.limits.allow(key.rate, key.inFlight)
  }

  /** Goes on with these secrets; one that is not among them ends. */
  rotate(known: KeySecrets): void {
    this.#known = known
    const before = this.#secrets
    this.#secrets = this.#secretsOf(known)
    for (const secret of before) if (!this.#secrets.includes(secret)) secret.withdrawn = true
  }

  #secretsOf({ hash, previous }: KeySecrets): KeySecret[] {
    const kept = (of: string): KeySecret =>
      this.#secrets.find((secret) => secret.hash === of) ?? new KeySecret(this, of)
    const current = kept(hash)
    current.retiresAtMs = null
    if (previous === null) return [current]
    const earlier = kept(previous.hash)
    earlier.retiresAtMs = previous.endsAtMs
    return [current, earlier]
  }
}

/** One secret of a key. What was opened with it ends with it. */
export class KeySecret implements HeldKey {
  readonly hash: string
  readonly digest: Uint8Array
  /** When it ends though the key does not (wall clock); null for the one that counts. */
  retiresAtMs: number | null = null
  withdrawn = false
  readonly #entry: KeyEntry
  /** Made when it is first used: most keys rest. */
  #grants: KeyGrants | null = null
  #made: { readonly version: number; readonly principal: Principal } | null = null

  constructor(entry: KeyEntry, hash: string) {
    this.#entry = entry
    this.hash = hash
    this.digest = digestIn(hash)
  }

  get grants(): KeyGrants {
    this.#grants ??= new KeyGrants(this)
    return this.#grants
  }

  get facts(): Key {
    return this.#entry.key
  }

  get version(): number {
    return this.#entry.version
  }

  get limits(): CallerLimits {
    return this.#entry.limits
  }

  get endsAtMs(): number | null {
    const { expiresAtMs } = this.#entry.key
    const { retiresAtMs } = this
    if (expiresAtMs === null || retiresAtMs === null) return expiresAtMs ?? retiresAtMs
    return Math.min(expiresAtMs, retiresAtMs)
  }

  get counts(): boolean {
    if (this.withdrawn || !this.#entry.inUse) return false
    const endsAtMs = this.endsAtMs
    return endsAtMs === null || Date.now() < endsAtMs
  }

  /** Whom it stands for: one object for as long as the key is what it is. */
  get principal(): Principal {
    const { version } = this.#entry
    if (this.#made?.version !== version)
      this.#made = { version, principal: keyPrincipal(this.#entry.key, this.grants) }
    return this.#made.principal
  }
}
