/**
 * Credentials towards servers, sealed at rest: each belongs to an owner, for one server, under one name. A value is
 * opened when it is asked for and kept nowhere in clear. What cannot be opened is never written over by that.
 */
import { GatewayError } from '../../errors.ts'
import type { DefinitionStore } from '../../registry/storage/store.ts'
import { openedRow, type Row, rowId, rowOf, sealedRow } from './row.ts'
import type { SealingKey } from './sealing-key.ts'
import { locked, type SealingKeys } from './sealing-keys.ts'

/** A credential, opened. */
export interface VaultEntry {
  readonly value: string
  /** Another one for each value that was ever written under this name. */
  readonly version: number
  /** ISO 8601. */
  readonly updatedAt: string
}

/** What may be told of a credential. */
export type VaultEntryInfo = Omit<Row, 'key' | 'sealed'>

export interface VaultFilter {
  readonly owner?: string
  readonly server?: string
  /** Of the name. */
  readonly prefix?: string
}

/** Told of each change, whoever made it. */
export type VaultListener = (owner: string, server: string, name: string) => void

/** What came of sealing everything anew. */
export interface Rotation {
  /** Rows that were sealed anew. */
  readonly resealed: number
  /** Rows whose key is not there: they stay as they are. */
  readonly unopened: number
  /** Where the keys are. */
  readonly place: string
  /** True where the old keys can be taken away by a person alone. */
  readonly oldKeysStay: boolean
}

const valueBytesMax = 64 * 1024
const nameCharsMax = 256
const rowsMax = 20_000
const rowsPerOwnerMax = 500
const recordsCharsMax = 32 * 1024 * 1024

type VaultStore = Pick<DefinitionStore, 'records' | 'putRecords'>

export class Vault {
  readonly #store: VaultStore
  readonly #keys: SealingKeys
  readonly #listeners = new Set<VaultListener>()
  /** By id, those that were read last. */
  #known: ReadonlyMap<string, SealingKey> = new Map()
  /** What was told of last, by the id of its record. */
  readonly #told: Map<string, Row>
  /** Counts up: a name that is written again after it was deleted must not have the version that it had. */
  #lastVersion = 0

  constructor(store: VaultStore, keys: SealingKeys) {
    this.#store = store
    this.#keys = keys
    this.#told = this.#rowsById()
  }

  /**
   * The credential; null where there is none, or where it was written for another issuer than this one. Throws
   * SECRETS_LOCKED where it cannot be opened.
   */
  read(owner: string, server: string, name: string, issuer?: string): VaultEntry | null {
    const row = this.#row(owner, server, name)
    if (row === null || (issuer !== undefined && issuer !== row.issuer)) return null
    const { version, updatedAt } = row
    return { value: this.#open(row), version, updatedAt }
  }

  /**
   * Writes a value: it is durable when this returns. With `ifVersion` only in the place of that version, with null only
   * where there is none; false when somebody was faster. Throws SECRETS_LOCKED, CREDENTIALS_EXHAUSTED, BAD_REQUEST or a
   * StoreError.
   */
  write(
    owner: string,
    server: string,
    name: string,
    value: string,
    ifVersion?: number | null,
    issuer = '',
  ): boolean {
    if (Buffer.byteLength(value) > valueBytesMax || name.length > nameCharsMax)
      throw new GatewayError('BAD_REQUEST', `A credential may have ${valueBytesMax} bytes at most.`)
    const before = this.#row(owner, server, name)
    if (ifVersion !== undefined && (before?.version ?? null) !== ifVersion) return false
    const key = this.#sealingKey()
    const version = this.#nextVersion(before)
    const facts = { owner, server, name, issuer, version, updatedAt: new Date().toISOString() }
    const record = JSON.stringify(sealedRow(facts, value, key))
    const id = rowId(owner, server, name)
    this.#checkRoom(id, owner, record)
    this.#store.putRecords('credential', new Map([[id, record]]))
    // Another process may have taken the key away meanwhile, and has not seen what is sealed with it.
    const current = this.#keys.read()
    const [now] = current
    if (now !== undefined && !current.some((one) => one.id === key.id))
      this.#store.putRecords('credential', new Map([[id, JSON.stringify(sealedRow(facts, value, now))]]))
    this.#tell(owner, server, name)
    return true
  }

  /** True where there was one. It works without the key. */
  delete(owner: string, server: string, name: string): boolean {
    const id = rowId(owner, server, name)
    if (!this.#store.records('credential').has(id)) return false
    this.#store.putRecords('credential', new Map([[id, null]]))
    this.#tell(owner, server, name)
    return true
  }

  /** Those that fit, by owner, server and name, without their values. It works without the key. */
  list({ owner, server, prefix = '' }: VaultFilter = {}): VaultEntryInfo[] {
    // Most records are told apart by their text: strangers may ask for what is not there, and reading all takes long.
    const parts = [
      ...(owner === undefined ? [] : [`"owner":${JSON.stringify(owner)}`]),
      ...(server === undefined ? [] : [`"server":${JSON.stringify(server)}`]),
      ...(prefix === '' ? [] : [`"name":${JSON.stringify(prefix).slice(0, -1)}`]),
    ]
    return this.#rows((record) => parts.every((part) => record.includes(part)))
      .filter(
        (row) =>
          (owner === undefined || row.owner === owner) &&
          (server === undefined || row.server === server) &&
          row.name.startsWith(prefix),
      )
      .map(({ key: _, sealed: __, ...info }) => info)
      .sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
  }

  /** Has `listener` told of changes from now on; the answer takes that back. */
  onChange(listener: VaultListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Tells of what other processes have written into the store. */
  takeStored(): void {
    const now = this.#rowsById()
    const gone = [...this.#told].filter(([id]) => !now.has(id))
    const others = [...now].filter(([id, { version }]) => this.#told.get(id)?.version !== version)
    for (const [, { owner, server, name }] of [...gone, ...others]) this.#tell(owner, server, name)
  }

  /** The server was removed for good: another one under its name is not it. */
  removed(server: string): void {
    const gone = this.list({ server })
    if (gone.length === 0) return
    const ids = gone.map(({ owner, name }): [string, null] => [rowId(owner, server, name), null])
    this.#store.putRecords('credential', new Map(ids))
    for (const { owner, name } of gone) this.#tell(owner, server, name)
  }

  /**
   * Seals everything with a new key, which is in its place before the first row is sealed with it; the old one goes when
   * no row needs it any more. Whatever ends this in between, every row can be opened, and the next call goes on with it.
   */
  rotate(newKey: () => SealingKey): Rotation {
    const keys = this.#keys.read()
    this.#keys.checkSealing?.(keys)
    const { replace, place } = this.#keys
    if (replace === null) {
      if (keys.length < 2)
        throw new GatewayError(
          'BAD_REQUEST',
          `The key comes from ${place}: put a new one in front of it with a blank between them, restart, and rotate then.`,
        )
      return { ...this.resealAll(), place, oldKeysStay: true }
    }
    // Two keys are there where a change was not finished.
    if (keys.length === 1) replace([newKey(), ...keys])
    return { ...this.resealAll(), place, oldKeysStay: false }
  }

  /** Seals with the first key what is sealed with another one. */
  resealAll(): Pick<Rotation, 'resealed' | 'unopened'> {
    const keys = this.#keys.read()
    const [first] = keys
    if (first === undefined) {
      const [row] = this.#rows()
      if (row !== undefined) throw this.#noKey(row.key)
      return { resealed: 0, unopened: 0 }
    }
    this.#learn(keys)
    this.#keys.checkSealing?.(keys)
    const { resealed, unopened } = this.#resealRows(first)
    const needed = new Set(this.#rows().map(({ key }) => key))
    const left = keys.filter((key) => key === first || needed.has(key.id))
    if (left.length < keys.length && this.#keys.replace !== null) {
      this.#keys.replace(left)
      // Another process may have sealed with an old one until now; from here on it finds that gone (`write`).
      this.#store.putRecords('credential', new Map())
      this.#resealRows(first)
    }
    this.#learn(left)
    return { resealed, unopened }
  }

  #resealRows(first: SealingKey): Pick<Rotation, 'resealed' | 'unopened'> {
    const changes = new Map<string, string>()
    let unopened = 0
    for (const row of this.#rows()) {
      if (row.key === first.id) continue
      const key = this.#known.get(row.key)
      const value = key === undefined ? null : openedRow(row, key)
      if (value === null) {
        unopened++
        continue
      }
      const { key: _, sealed: __, ...facts } = row
      changes.set(rowId(row.owner, row.server, row.name), JSON.stringify(sealedRow(facts, value, first)))
    }
    if (changes.size > 0) this.#store.putRecords('credential', changes)
    return { resealed: changes.size, unopened }
  }

  #row(owner: string, server: string, name: string): Row | null {
    const id = rowId(owner, server, name)
    const record = this.#store.records('credential').get(id)
    return record === undefined ? null : rowOf(id, record)
  }

  #rows(mayFit?: (record: string) => boolean): Row[] {
    return [...this.#rowsById(mayFit).values()]
  }

  #rowsById(mayFit: (record: string) => boolean = () => true): Map<string, Row> {
    const rows = new Map<string, Row>()
    for (const [id, record] of this.#store.records('credential')) {
      if (!mayFit(record)) continue
      const row = rowOf(id, record)
      if (row !== null) rows.set(id, row)
    }
    return rows
  }

  #open(row: Row): string {
    let key = this.#known.get(row.key)
    if (key === undefined) {
      // Another process may have made it, or changed to it, meanwhile.
      this.#learn(this.#keys.read())
      key = this.#known.get(row.key)
    }
    if (key === undefined) throw this.#noKey(row.key)
    const value = openedRow(row, key)
    if (value !== null) return value
    throw locked(
      `The credential ${row.name} for ${row.server} was changed in its file and cannot be opened; write it again`,
    )
  }

  /** Read each time: whoever shares the file may have changed to another one. */
  #sealingKey(): SealingKey {
    let keys = this.#keys.read()
    if (keys.length === 0) {
      const [row] = this.#rows()
      if (row !== undefined) throw this.#noKey(row.key)
      keys = this.#keys.make()
    }
    this.#learn(keys)
    this.#keys.checkSealing?.(keys)
    const [first] = keys
    if (first === undefined) throw locked(`${this.#keys.place} holds no key`)
    return first
  }

  #noKey(id: string): GatewayError {
    const { size } = this.#known
    const found = size === 0 ? 'which is not there' : `and it holds ${[...this.#known.keys()].join(', ')}`
    return locked(
      `Stored credentials are sealed with the key ${id} of ${this.#keys.place}, ${found}; put that key back`,
    )
  }

  #learn(keys: readonly SealingKey[]): void {
    this.#known = new Map(keys.map((key) => [key.id, key]))
  }

  #nextVersion(before: Row | null): number {
    // By the clock: larger than whatever was counted before a restart.
    this.#lastVersion = Math.max(Date.now(), this.#lastVersion + 1, (before?.version ?? 0) + 1)
    return this.#lastVersion
  }

  #checkRoom(id: string, owner: string, record: string): void {
    const records = this.#store.records('credential')
    let chars = record.length
    let ofOwner = 1
    // As `sealedRow` begins: reading every row for each change would take long where there are many.
    const ownBeginning = `{"owner":${JSON.stringify(owner)},`
    for (const [other, text] of records) {
      if (other === id) continue
      chars += text.length
      if (text.startsWith(ownBeginning)) ofOwner++
    }
    const more = records.has(id) ? 0 : 1
    const full =
      records.size + more > rowsMax || chars > recordsCharsMax
        ? `All stored credentials together may be ${rowsMax}, of ${recordsCharsMax} characters`
        : ofOwner > rowsPerOwnerMax
          ? `One owner may have ${rowsPerOwnerMax} stored credentials`
          : null
    if (full !== null) throw new GatewayError('CREDENTIALS_EXHAUSTED', `${full}. Remove some.`)
  }

  #tell(owner: string, server: string, name: string): void {
    const row = this.#row(owner, server, name)
    const id = rowId(owner, server, name)
    if (row === null) this.#told.delete(id)
    else this.#told.set(id, row)
    for (const listener of this.#listeners) listener(owner, server, name)
  }
}

function orderOf({ owner, server, name }: VaultEntryInfo): string {
  return JSON.stringify([owner, server, name])
}
