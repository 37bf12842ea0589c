/**
 * Every key in use: those of the file, and those that were made over the admin API. Looked up by the id in the text,
 * compared as digest in constant time; what is asked with each request waits for nothing.
 */
import { timingSafeEqual } from 'node:crypto'
import { KeyGrants } from '../../access/key.ts'
import type { Principal } from '../../access/principal.ts'
import { digestOfAsked, keyIdIn } from '../../access/tokens.ts'
import type { FileKey, Key } from '../../registry/access/key-schema.ts'
import type { DefinitionStore } from '../../registry/storage/store.ts'
import type { Log } from '../../telemetry/log.ts'
import { KeyEntry, KeySecret } from './held-key.ts'
import type { LastUse } from './last-use.ts'
import { storedKeys } from './stored-keys.ts'

/** What keys open: MCP endpoints, or the admin API. */
export type KeyDoor = 'clients' | 'admins'

export function doorOf({ role }: Pick<Key, 'role'>): KeyDoor {
  return role === null ? 'clients' : 'admins'
}

export interface KeyRingParts {
  readonly store: Pick<DefinitionStore, 'records' | 'putRecords'>
  readonly lastUse: LastUse
  readonly log: Log
  /** Is told that what was opened with keys may have to end. */
  changed(): void
}

/** A gateway does not begin without the keys that somebody relies on. */
function unreadable(id: string): never {
  throw new Error(
    `The stored key ${JSON.stringify(id.slice(0, 16))} cannot be read: restore a copy of the state directory.`,
  )
}

export class KeyRing {
  readonly #parts: KeyRingParts
  #ofFile: ReadonlyMap<string, KeyEntry> = new Map()
  readonly #stored: Map<string, KeyEntry>
  /** By id; one of the file stands before a stored one. */
  #entries: ReadonlyMap<string, KeyEntry> = new Map()
  /** The next moment at which a secret ends, by the wall clock. */
  #nextEndMs = Number.POSITIVE_INFINITY
  /** When that was looked for, by the wall clock. */
  #settledAtMs = 0

  /** Throws an Error of one clear sentence when a stored key cannot be read. */
  constructor(parts: KeyRingParts) {
    this.#parts = parts
    this.#stored = new Map(storedKeys(parts.store, unreadable).map((entry) => [entry.key.id, entry]))
    this.#settle()
  }

  /** Who sends this text; null for whatever is no key that counts. */
  find(token: string): Principal | null {
    const id = keyIdIn(token)
    const entry = id === null ? undefined : this.#entries.get(id)
    if (entry === undefined) return null
    const digest = digestOfAsked(token)
    let found: KeySecret | null = null
    for (const secret of entry.secrets) if (timingSafeEqual(secret.digest, digest)) found = secret
    if (found === null || !found.counts) return null
    this.#parts.lastUse.used(entry)
    return found.principal
  }

  /** Whom a principal of `find` stands for now; null once its secret has ended, or for one that is of no key. */
  current({ grants }: Principal): Principal | null {
    const held = grants instanceof KeyGrants ? grants.held : null
    return held instanceof KeySecret && held.counts ? held.principal : null
  }

  /** The principal of a key, by its id or name; null where there is none. It may have ended. */
  principalOf(idOrName: string): Principal | null {
    return this.entryOf(idOrName)?.principal ?? null
  }

  /** Those of the file first, each by name. */
  list(): readonly KeyEntry[] {
    return [...this.#entries.values()].sort(
      (one, other) => one.source.localeCompare(other.source) || (one.key.name < other.key.name ? -1 : 1),
    )
  }

  entryOf(idOrName: string): KeyEntry | undefined {
    const byId = this.#entries.get(idOrName)
    if (byId !== undefined) return byId
    for (const entry of this.#entries.values()) if (entry.key.name === idOrName) return entry
    return undefined
  }

  /** How many there are of the API. */
  get storedCount(): number {
    return this.#stored.size
  }

  /** Whether somebody without a key or a token is let in here no more: keys have closed this door. */
  closes(door: KeyDoor): boolean {
    if (this.#parts.store.records('closed door').has(door)) return true
    return [...this.#ofFile.values(), ...this.#stored.values()].some(({ key }) => doorOf(key) === door)
  }

  /** Goes on with these keys of the file. */
  take(keys: readonly FileKey[]): void {
    const next = new Map<string, KeyEntry>()
    for (const key of keys) {
      const known = this.#ofFile.get(key.id)
      if (known === undefined || known.known.hash !== key.hash || known.key.role !== key.role) {
        const { hash } = key
        next.set(key.id, new KeyEntry(key, { hash, rotatedAt: null, previous: null }, 'file', null))
        continue
      }
      if (!Bun.deepEquals(known.key, key)) known.change(key)
      next.set(key.id, known)
    }
    this.#ofFile = next
    this.#settle()
    this.#warnOfDoubles()
  }

  /** Takes a stored key in, or its changes. */
  put(entry: KeyEntry): void {
    this.#stored.set(entry.key.id, entry)
    this.#settle()
    this.#parts.changed()
  }

  /** Takes a stored key out; what was opened with it ends. */
  remove(id: string): void {
    this.#stored.delete(id)
    this.#settle()
    this.#parts.changed()
  }

  /**
   * Goes on with the stored keys as the store holds them now, which another process may have changed. One that cannot
   * be read does not count; the others, and what was revoked, do.
   */
  takeStored(): void {
    const { store, log } = this.#parts
    const skipped = (id: string): void =>
      log.error({ key: id.slice(0, 16) }, 'a stored key cannot be read, and does not count')
    const found = new Map(storedKeys(store, skipped).map((entry) => [entry.key.id, entry]))
    for (const id of [...this.#stored.keys()]) if (!found.has(id)) this.#stored.delete(id)
    for (const [id, entry] of found) {
      const known = this.#stored.get(id)
      if (known === undefined) {
        this.#stored.set(id, entry)
        continue
      }
      if (!Bun.deepEquals(known.known, entry.known)) known.rotate(entry.known)
      if (!Bun.deepEquals(known.key, entry.key)) known.change(entry.key)
    }
    this.#settle()
    this.#parts.changed()
  }

  /** Time's passing, four times a second. */
  sweep(nowMs: number): void {
    const wallMs = Date.now()
    // A clock that was set back lets a key that has ended count again, whose end then comes once more.
    if (wallMs >= this.#nextEndMs || wallMs < this.#settledAtMs) {
      this.#settle()
      this.#parts.changed()
    }
    this.#parts.lastUse.sweep(nowMs, this.#entries)
  }

  close(): void {
    this.#parts.lastUse.close(this.#entries)
  }

  #settle(): void {
    const before = this.#entries
    const entries = new Map(this.#ofFile)
    for (const [id, entry] of this.#stored) if (!entries.has(id)) entries.set(id, entry)
    this.#entries = entries
    const nowMs = Date.now()
    this.#settledAtMs = nowMs
    this.#nextEndMs = Number.POSITIVE_INFINITY
    for (const entry of entries.values()) {
      entry.inUse = true
      for (const secret of entry.secrets) {
        const { endsAtMs } = secret
        if (endsAtMs !== null && endsAtMs > nowMs) this.#nextEndMs = Math.min(this.#nextEndMs, endsAtMs)
      }
    }
    for (const [id, entry] of before) if (entries.get(id) !== entry) entry.inUse = false
    this.#parts.lastUse.remember(entries)
  }

  /** A rule that names a key by name means both. */
  #warnOfDoubles(): void {
    for (const { key } of this.#ofFile.values()) {
      const doubles = [...this.#stored.values()].filter(({ key: { id, name } }) =>
        [key.id, key.name].some((own) => own === id || own === name),
      )
      for (const stored of doubles)
        this.#parts.log.warn(
          { key: key.id, other: stored.key.id, name: key.name },
          stored.key.id === key.id
            ? 'the configuration file has a key of this id; the one that was made over the API is not used'
            : 'a key of the configuration file and one that was made over the API have the same name, or one the id of the other as its name: rules that name it mean both',
        )
    }
  }
}
