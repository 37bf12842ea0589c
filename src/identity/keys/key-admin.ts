/** What admins do with keys: make, change, rotate and take back those that are kept in the state directory. */
import { GatewayError } from '../../errors.ts'
import {
  instantMs,
  type Key,
  type KeyChangeWire,
  keyFault,
  keyOf,
  keysMax,
  keyToWire,
  type NewKeyWire,
} from '../../registry/access/key-schema.ts'
import { nearestName } from '../../registry/nearest-name.ts'
import type { DefinitionStore } from '../../registry/storage/store.ts'
import { KeyEntry } from './held-key.ts'
import { doorOf, type KeyDoor, type KeyRing } from './key-ring.ts'
import { hashOfKey, makeKeyId, makeKeyText } from './key-text.ts'
import { isoOf, recordOf } from './stored-keys.ts'

const dayMs = 24 * 60 * 60_000
/** How long a key lasts for which nobody says otherwise. */
const lifetimeMs = 90 * dayMs
/** What one key may take in the state directory, and all of them. */
const recordCharsMax = 64 * 1024
const recordsCharsMax = 16 * 1024 * 1024

/** A key as admins see it, without its secret. */
export interface KeyReport {
  readonly id: string
  readonly name: string
  /** As the log has it. */
  readonly principal: string
  readonly user: string | null
  readonly role: 'client' | 'viewer' | 'operator' | 'admin'
  readonly access: NonNullable<NewKeyWire['access']>
  readonly rate: { readonly perSecond: number; readonly burst: number } | null
  readonly inFlight: number | null
  readonly source: 'file' | 'store'
  readonly createdAt: string | null
  readonly expires: string | null
  readonly expired: boolean
  readonly lastUsedAt: string | null
  readonly rotatedAt: string | null
  readonly previousEnds: string | null
}

/** A key with its text, which nobody sees again. */
export interface MadeKey {
  readonly text: string
  readonly report: KeyReport
  /** What has come to be with it that its maker should know; null for nothing. */
  readonly note: string | null
}

export interface KeyAdminParts {
  readonly ring: KeyRing
  readonly store: Pick<DefinitionStore, 'records' | 'putRecords'>
  /** Whether somebody administers without a key, by a token or by signing in. */
  adminsWithoutKeys(): boolean
  /** Whether clients are asked for a token without keys. */
  clientsAskedWithoutKeys(): boolean
}

export class KeyAdmin {
  readonly #parts: KeyAdminParts

  constructor(parts: KeyAdminParts) {
    this.#parts = parts
  }

  list(): KeyReport[] {
    return this.#parts.ring.list().map(reportOf)
  }

  get(id: string): KeyReport {
    return reportOf(this.#known(id))
  }

  /** Throws KEY_INVALID, KEY_EXISTS, KEYS_EXHAUSTED or a StoreError. */
  create(wire: NewKeyWire): MadeKey {
    const { ring } = this.#parts
    if (ring.storedCount >= keysMax)
      throw new GatewayError('KEYS_EXHAUSTED', `There are ${keysMax} keys. Revoke those that nobody uses.`)
    const id = this.#freeId()
    const key = checked(keyOf(id, wire, expiryOf(wire.expires, Date.now() + lifetimeMs)))
    this.#checkName(key, null)
    this.#checkAdmins(key)
    const text = makeKeyText(id)
    const known = { hash: hashOfKey(text), rotatedAt: null, previous: null }
    const entry = new KeyEntry(key, known, 'store', new Date().toISOString())
    const closing = !ring.closes(doorOf(key))
    this.#keep(id, this.#recordOf(entry))
    ring.put(entry)
    return { text, report: reportOf(entry), note: closing ? this.#noteOf(doorOf(key)) : null }
  }

  /** Throws KEY_UNKNOWN, KEY_READ_ONLY, KEY_INVALID, KEY_EXISTS or a StoreError; what was opened follows at once. */
  change(id: string, wire: KeyChangeWire): KeyReport {
    const entry = this.#writable(id)
    const { key } = entry
    if (wire.role !== undefined && key.role === null)
      throw invalid('role: a key of clients becomes none of the admin API; make another key.')
    const merged = { ...keyToWire(key), ...withoutNull(wire) }
    for (const field of ['user', 'rate', 'inFlight'] as const) if (wire[field] === null) delete merged[field]
    const changed = checked(keyOf(id, merged, expiryOf(wire.expires, key.expiresAtMs)))
    this.#checkName(changed, id)
    if (key.role === 'admin') this.#checkAdmins(changed)
    const { source, createdAt, known } = entry
    this.#keep(id, this.#recordOf(new KeyEntry(changed, known, source, createdAt)))
    entry.change(changed)
    this.#parts.ring.put(entry)
    return reportOf(entry)
  }

  /** A new secret; the one before counts for `overlapMs` more, and the one before that no longer. */
  rotate(id: string, overlapMs: number): MadeKey {
    const entry = this.#writable(id)
    const { key, source, createdAt, known } = entry
    const nowMs = Date.now()
    if (key.expiresAtMs !== null && nowMs >= key.expiresAtMs)
      throw invalid('expires: the key has ended; give it another end first.')
    const text = makeKeyText(id)
    const next = {
      hash: hashOfKey(text),
      rotatedAt: new Date(nowMs).toISOString(),
      previous: overlapMs === 0 ? null : { hash: known.hash, endsAtMs: nowMs + overlapMs },
    }
    this.#keep(id, this.#recordOf(new KeyEntry(key, next, source, createdAt)))
    entry.rotate(next)
    this.#parts.ring.put(entry)
    return { text, report: reportOf(entry), note: null }
  }

  /**
   * Takes a key back. What keys have closed stays closed without any, unless `open` says so with the last one: throws
   * KEY_INVALID where it is not the last.
   */
  revoke(id: string, open: boolean): KeyReport {
    const entry = this.#writable(id)
    const { ring, store } = this.#parts
    const door = doorOf(entry.key)
    const others = ring.list().filter((other) => other !== entry && doorOf(other.key) === door)
    if (open && others.length > 0)
      throw invalid('open: there are other keys, and what they guard stays closed; revoke them first.')
    const report = reportOf(entry)
    // What a key has closed is noted before the last one goes, and forgotten after it: never is there neither.
    if (!open && !others.some(({ source }) => source === 'store')) {
      store.putRecords('closed door', new Map([[door, new Date().toISOString()]]))
    }
    this.#keep(id, null)
    try {
      if (open) store.putRecords('closed door', new Map([[door, null]]))
    } finally {
      ring.remove(id)
    }
    return report
  }

  #noteOf(door: KeyDoor): string | null {
    const { clientsAskedWithoutKeys, adminsWithoutKeys } = this.#parts
    if (door === 'clients')
      return clientsAskedWithoutKeys()
        ? null
        : 'From now on every MCP endpoint asks for a key: clients without one are refused, and stay so when the last key is revoked.'
    return adminsWithoutKeys()
      ? null
      : 'From now on the admin API asks for a key, on this machine too, and goes on to when the last one is revoked.'
  }

  #keep(id: string, record: string | null): void {
    this.#parts.store.putRecords('key', new Map([[id, record]]))
  }

  #recordOf(entry: KeyEntry): string {
    const record = recordOf(entry)
    if (record.length > recordCharsMax)
      throw invalid(
        `access: is more than ${recordCharsMax} characters; put rules into a group or the definitions.`,
      )
    let chars = record.length
    for (const [id, text] of this.#parts.store.records('key')) if (id !== entry.key.id) chars += text.length
    if (chars > recordsCharsMax)
      throw new GatewayError(
        'KEYS_EXHAUSTED',
        `All keys together may take ${recordsCharsMax} characters. Revoke some.`,
      )
    return record
  }

  #freeId(): string {
    for (;;) {
      const id = makeKeyId()
      if (this.#parts.ring.entryOf(id) === undefined) return id
    }
  }

  /** Rules name keys by id and by name, and must not mean two. */
  #checkName({ name }: Key, ownId: string | null): void {
    const other = this.#parts.ring.entryOf(name)
    if (other !== undefined && other.key.id !== ownId)
      throw new GatewayError(
        'KEY_EXISTS',
        `The key ${other.key.id} has the name or id ${name} already: take another name, or change that key.`,
      )
  }

  /** Whoever asks now may be let in only because no key does yet: that must not be the end of it. */
  #checkAdmins({ id, role }: Key): void {
    if (role === null || role === 'admin' || this.#parts.adminsWithoutKeys()) return
    const others = this.#parts.ring
      .list()
      .some(({ key, secrets }) => key.id !== id && key.role === 'admin' && secrets[0]?.counts === true)
    if (!others)
      throw invalid(
        `role: with a ${role} alone nobody could administer the gateway any more. Make a key with the role admin first, or set auth.admin_tokens.`,
      )
  }

  #writable(id: string): KeyEntry {
    const entry = this.#known(id)
    if (entry.source === 'file')
      throw new GatewayError(
        'KEY_READ_ONLY',
        `${entry.key.name} comes from the configuration file. Change it there and have it read again (POST /admin/reload, HUP).`,
      )
    return entry
  }

  #known(id: string): KeyEntry {
    const { ring } = this.#parts
    const entry = ring.entryOf(id)
    if (entry?.key.id === id) return entry
    const near = nearestName(
      id,
      ring.list().map(({ key }) => key.id),
    )
    const hint =
      entry === undefined
        ? near === null
          ? ''
          : ` Did you mean ${near}?`
        : ` ${id} is the name of ${entry.key.id}.`
    throw new GatewayError('KEY_UNKNOWN', `No key has this id.${hint} GET /admin/keys lists all of them.`)
  }
}

function invalid(details: string): GatewayError {
  return new GatewayError('KEY_INVALID', details)
}

function checked(key: Key): Key {
  const fault = keyFault(key)
  if (fault !== null) throw invalid(`${fault.field}: ${fault.reason}.`)
  return key
}

/** The end that is asked for: none is null, what is left out `otherwise`. */
function expiryOf(text: string | null | undefined, otherwise: number | null): number | null {
  if (text === undefined) return otherwise
  if (text === null) return null
  const ms = instantMs(text)
  if (ms === null) throw invalid('expires: is no day of any calendar.')
  if (ms <= Date.now()) throw invalid('expires: has passed already; revoke the key to end it.')
  return ms
}

function withoutNull({ expires: _, ...wire }: KeyChangeWire): Partial<Omit<NewKeyWire, 'expires'>> {
  return Object.fromEntries(Object.entries(wire).filter(([, value]) => value !== null && value !== undefined))
}

/** A key for admins. */
function reportOf({ key, known, source, createdAt, lastUsedAtMs }: KeyEntry): KeyReport {
  const { id, name, user, role, rate, inFlight, expiresAtMs } = key
  const nowMs = Date.now()
  const { previous, rotatedAt } = known
  return {
    id,
    name,
    principal: `${role === null ? 'key' : 'admin'}:${id}`,
    user,
    role: role ?? 'client',
    access: keyToWire(key).access ?? [],
    rate,
    inFlight,
    source,
    createdAt,
    expires: isoOf(expiresAtMs),
    expired: expiresAtMs !== null && nowMs >= expiresAtMs,
    lastUsedAt: isoOf(lastUsedAtMs),
    rotatedAt,
    previousEnds: previous !== null && nowMs < previous.endsAtMs ? isoOf(previous.endsAtMs) : null,
  }
}
