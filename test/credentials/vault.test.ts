/** Stored credentials: sealed at rest, bound to what they are for, and never lost by a key that is not there. */
import { describe, expect, test } from 'bun:test'
import { chmodSync, cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keyFile } from '../../src/credentials/vault/key-file.ts'
import { rowId, sealedRow } from '../../src/credentials/vault/row.ts'
import { makeSealingKey, sealingKeyIn } from '../../src/credentials/vault/sealing-key.ts'
import { givenKeys, passingKeys } from '../../src/credentials/vault/sealing-keys.ts'
import { Vault } from '../../src/credentials/vault/vault.ts'
import { GatewayError } from '../../src/errors.ts'
import { openSqliteStore } from '../../src/registry/storage/sqlite.ts'
import { createMemoryStore, type DefinitionStore, StoreError } from '../../src/registry/storage/store.ts'
import { sealText, unsealText } from '../../src/runtime/sealed-text.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const secret = 'canary-5f1c-value'
const ann = 'oauth:00000000000000000000000000000001'

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (thrown) {
    return thrown instanceof GatewayError ? thrown.code : String(thrown)
  }
  return 'none'
}

/** A state directory, and a vault over it as a start would open it. */
function opened(directory: string, key = join(directory, 'secrets.key')) {
  const store = openSqliteStore(directory)
  return { store, vault: new Vault(store, keyFile(key)), key }
}

describe('a text that is sealed', () => {
  const key = makeSealingKey()

  test('opens with its key and what it was bound to', () => {
    expect(unsealText(key.bytes, sealText(key.bytes, secret, 'bound'), 'bound')).toBe(secret)
    expect(unsealText(key.bytes, sealText(key.bytes, '', 'bound'), 'bound')).toBe('')
  })

  test.each([
    { why: 'another key', open: (sealed: string) => unsealText(makeSealingKey().bytes, sealed, 'bound') },
    { why: 'bound to something else', open: (sealed: string) => unsealText(key.bytes, sealed, 'other') },
    { why: 'one bit is another', open: (sealed: string) => unsealText(key.bytes, flipped(sealed), 'bound') },
    { why: 'its end is cut', open: (sealed: string) => unsealText(key.bytes, sealed.slice(0, -8), 'bound') },
    { why: 'it is no sealed text', open: () => unsealText(key.bytes, 'aGVsbG8=', 'bound') },
  ])('opens not when $why', ({ open }) => {
    expect(open(sealText(key.bytes, secret, 'bound'))).toBeNull()
  })

  test('is another each time', () => {
    expect(sealText(key.bytes, secret, '')).not.toBe(sealText(key.bytes, secret, ''))
  })

  test.each([
    { why: 'base64', text: makeSealingKey().text, known: true },
    { why: 'base64 without its end', text: makeSealingKey().text.replace('=', ''), known: true },
    { why: 'hexadecimal digits', text: 'ab'.repeat(32), known: true },
    { why: 'a word', text: 'hunter2', known: false },
    { why: '31 bytes', text: Buffer.alloc(31).toString('base64'), known: false },
    { why: '33 bytes', text: Buffer.alloc(33).toString('base64'), known: false },
    { why: 'nothing', text: '', known: false },
  ])('takes as a key: $why, $known', ({ text, known }) => {
    expect(sealingKeyIn(text) !== null).toBe(known)
  })
})

function flipped(sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64')
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  return bytes.toString('base64')
}

describe('a vault', () => {
  test('gives back what was written, and to nobody else', () => {
    const vault = new Vault(createMemoryStore(), passingKeys())
    expect(vault.write(ann, 'jira', 'token', secret)).toBe(true)
    expect(vault.read(ann, 'jira', 'token')?.value).toBe(secret)
    expect(vault.read('user:bob', 'jira', 'token')).toBeNull()
    expect(vault.read(ann, 'wiki', 'token')).toBeNull()
    expect(vault.read(ann, 'jira', 'other')).toBeNull()
    expect(JSON.stringify(vault.list())).not.toContain(secret)
  })

  test('gives a value to the issuer that it was written for, and to no other', () => {
    const vault = new Vault(createMemoryStore(), passingKeys())
    vault.write(ann, 'jira', 'token', secret, undefined, 'https://one.example')
    expect(vault.read(ann, 'jira', 'token', 'https://one.example')?.value).toBe(secret)
    expect(vault.read(ann, 'jira', 'token', 'https://two.example')).toBeNull()
  })

  test('lets one of several writers win, by the version that each has read', () => {
    const vault = new Vault(createMemoryStore(), passingKeys())
    expect(vault.write(ann, 'jira', 'token', 'one', null)).toBe(true)
    expect(vault.write(ann, 'jira', 'token', 'two', null)).toBe(false)
    const { version = 0 } = vault.read(ann, 'jira', 'token') ?? {}
    expect(vault.write(ann, 'jira', 'token', 'three', version)).toBe(true)
    expect(vault.write(ann, 'jira', 'token', 'four', version)).toBe(false)
    expect(vault.read(ann, 'jira', 'token')?.value).toBe('three')
  })

  test('gives no version twice, whatever is deleted in between', () => {
    const vault = new Vault(createMemoryStore(), passingKeys())
    const versions = Array.from({ length: 5 }, () => {
      vault.write(ann, 'jira', 'token', secret)
      const { version } = vault.read(ann, 'jira', 'token') ?? {}
      expect([vault.delete(ann, 'jira', 'token'), vault.delete(ann, 'jira', 'token')]).toEqual([true, false])
      return version
    })
    expect(new Set(versions).size).toBe(5)
  })

  test('tells who listens of each change, and of nothing that was not made', () => {
    const vault = new Vault(createMemoryStore(), passingKeys())
    const told: string[] = []
    const stop = vault.onChange((...names) => void told.push(names.join(' ')))
    vault.write(ann, 'jira', 'token', 'one')
    vault.write(ann, 'jira', 'token', 'two', null)
    vault.write('user:bob', 'wiki', 'token', 'one')
    vault.removed('wiki')
    vault.delete(ann, 'jira', 'token')
    stop()
    vault.write(ann, 'jira', 'token', 'three')
    expect(told).toEqual([
      `${ann} jira token`,
      'user:bob wiki token',
      'user:bob wiki token',
      `${ann} jira token`,
    ])
  })

  test('tells of what another process has written, once, and not of what it has told already', () => {
    const store = createMemoryStore()
    const keys = passingKeys()
    const [one, other] = [new Vault(store, keys), new Vault(store, keys)]
    const told: string[] = []
    one.onChange((...names) => void told.push(names.join(' ')))
    one.write(ann, 'jira', 'own', secret)
    told.length = 0
    other.write(ann, 'jira', 'token', secret)
    other.delete(ann, 'jira', 'own')
    one.takeStored()
    one.takeStored()
    expect(told.sort()).toEqual([`${ann} jira own`, `${ann} jira token`])
  })

  test('lists by owner, server and the beginning of names, without the key too', () => {
    const store = createMemoryStore()
    const vault = new Vault(store, passingKeys())
    for (const name of ['b', 'a', 'oauth:login']) vault.write(ann, 'jira', name, secret)
    vault.write('user:bob', 'jira', 'a', secret)
    const names = (found: ReturnType<Vault['list']>) => found.map(({ owner, name }) => `${owner} ${name}`)
    const without = new Vault(store, passingKeys())
    expect(names(without.list({ owner: ann }))).toEqual([`${ann} a`, `${ann} b`, `${ann} oauth:login`])
    expect(names(without.list({ prefix: 'oauth:' }))).toEqual([`${ann} oauth:login`])
    expect(names(without.list({ server: 'wiki' }))).toEqual([])
    expect(without.delete(ann, 'jira', 'a')).toBe(true)
  })

  test('is bounded in the size of a value, for one owner and in all', () => {
    const vault = new Vault(createMemoryStore(), passingKeys())
    expect(codeOf(() => vault.write(ann, 'jira', 'token', 'x'.repeat(64 * 1024 + 1)))).toBe('BAD_REQUEST')
    for (let n = 0; n < 500; n++) vault.write(ann, 'jira', `n${n}`, secret)
    expect(codeOf(() => vault.write(ann, 'jira', 'one-more', secret))).toBe('CREDENTIALS_EXHAUSTED')
    expect(vault.write(ann, 'jira', 'n0', 'another')).toBe(true)
    expect(vault.write('user:bob', 'jira', 'token', secret)).toBe(true)
  })

  test('passes a row over that was put under the id of another', () => {
    const store = createMemoryStore()
    const vault = new Vault(store, passingKeys())
    vault.write(ann, 'jira', 'token', secret)
    vault.write('user:bob', 'jira', 'token', 'of bob')
    const [[id, record] = ['', '']] = store.records('credential')
    const other = [...store.records('credential').keys()].find((each) => each !== id) ?? ''
    // As it is, and with the owner that this id is of.
    store.putRecords('credential', new Map([[other, record]]))
    expect(vault.read('user:bob', 'jira', 'token')).toBeNull()
    const forged = JSON.stringify({ ...JSON.parse(record), owner: 'user:bob' })
    store.putRecords('credential', new Map([[other, forged]]))
    expect(codeOf(() => vault.read('user:bob', 'jira', 'token'))).toBe('SECRETS_LOCKED')
  })
})

describe('the key file', () => {
  test('is made when something is sealed first, for its owner alone', () => {
    using place = temporaryDirectory()
    const { vault, key } = opened(place.path, join(place.path, 'keys', 'secrets.key'))
    expect([vault.read(ann, 'jira', 'token'), existsSync(key)]).toEqual([null, false])
    vault.write(ann, 'jira', 'token', secret)
    expect((statSync(key).mode & 0o777).toString(8)).toBe('600')
    expect(readFileSync(join(place.path, 'definitions.sqlite'), 'latin1')).not.toContain(secret)
  })

  test('is looked at without waiting for a writer where a pipe lies in its place', () => {
    using place = temporaryDirectory()
    const path = join(place.path, 'secrets.key')
    Bun.spawnSync(['mkfifo', '-m', '600', path])
    const room = join(import.meta.dir, '../../src/credentials/vault/key-file.ts')
    const script = `const { keyFile } = await import(${JSON.stringify(room)}); keyFile(${JSON.stringify(path)}).read()`
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, '-e', script], { timeout: 5_000 })
    expect([exitCode, String(stderr).includes('is no file')]).toEqual([1, true])
  })

  test.each([
    { why: 'others can read it', spoil: (path: string) => chmodSync(path, 0o640), says: 'chmod 600' },
    { why: 'it holds no key', spoil: (path: string) => writeFileSync(path, 'hunter2'), says: 'openssl rand' },
    { why: 'it is empty', spoil: (path: string) => writeFileSync(path, ''), says: 'holds no key' },
    { why: 'it is gone', spoil: (path: string) => rmSync(path), says: 'put that key back' },
    {
      why: 'it holds another key',
      spoil: (path: string) => writeFileSync(path, makeSealingKey().text),
      says: 'put that key back',
    },
  ])('opens nothing and loses nothing when $why', ({ spoil, says }) => {
    using place = temporaryDirectory()
    const first = opened(place.path)
    first.vault.write(ann, 'jira', 'token', secret)
    const key = readFileSync(first.key)
    spoil(first.key)
    const { vault } = opened(place.path)
    expect(() => vault.read(ann, 'jira', 'token')).toThrow(says)
    expect(codeOf(() => vault.read(ann, 'jira', 'token'))).toBe('SECRETS_LOCKED')
    expect(vault.list()).toHaveLength(1)
    if (!says.includes('that key back') || !existsSync(first.key)) {
      expect(codeOf(() => vault.write('user:bob', 'jira', 'token', 'new'))).toBe('SECRETS_LOCKED')
      expect(codeOf(() => vault.rotate(makeSealingKey))).toBe('SECRETS_LOCKED')
    }
    writeFileSync(first.key, key, { mode: 0o600 })
    chmodSync(first.key, 0o600)
    expect(opened(place.path).vault.read(ann, 'jira', 'token')?.value).toBe(secret)
  })

  test('is one for all processes that begin to seal at once', () => {
    using place = temporaryDirectory()
    const path = join(place.path, 'secrets.key')
    const made = Array.from({ length: 8 }, () => keyFile(path).make()[0]?.id)
    expect(new Set(made).size).toBe(1)
  })

  test('is read again by a process that finds a row of a newer key', () => {
    using place = temporaryDirectory()
    const path = join(place.path, 'secrets.key')
    const store = createMemoryStore()
    const [one, other] = [new Vault(store, keyFile(path)), new Vault(store, keyFile(path))]
    one.write(ann, 'jira', 'token', secret)
    expect(other.read(ann, 'jira', 'token')?.value).toBe(secret)
    one.rotate(makeSealingKey)
    expect(other.read(ann, 'jira', 'token')?.value).toBe(secret)
    // And seals with it, whatever it knew before.
    other.write(ann, 'jira', 'second', secret)
    expect(one.rotate(makeSealingKey).resealed).toBe(2)
  })
})

describe('rotation', () => {
  test('seals everything anew: the old key opens nothing of it', () => {
    using place = temporaryDirectory()
    const { vault, key } = opened(place.path)
    vault.write(ann, 'jira', 'token', secret)
    vault.write('user:bob', 'jira', 'token', 'of bob')
    cpSync(key, join(place.path, 'old.key'))
    expect(vault.rotate(makeSealingKey)).toMatchObject({ resealed: 2, unopened: 0, oldKeysStay: false })
    expect(vault.read(ann, 'jira', 'token')?.value).toBe(secret)
    const old = opened(place.path, join(place.path, 'old.key')).vault
    expect(codeOf(() => old.read(ann, 'jira', 'token'))).toBe('SECRETS_LOCKED')
    expect(keyFile(key).read()).toHaveLength(1)
  })

  test('leaves everything openable wherever it is ended, and goes on with it', () => {
    using place = temporaryDirectory()
    const { store, vault, key } = opened(place.path)
    vault.write(ann, 'jira', 'token', secret)
    const failing: DefinitionStore = {
      ...bound(store),
      putRecords() {
        throw new StoreError('STORAGE_FULL', 'full')
      },
    }
    expect(codeOf(() => new Vault(failing, keyFile(key)).rotate(makeSealingKey))).toBe('STORAGE_FULL')
    const [newest] = keyFile(key).read()
    expect(keyFile(key).read()).toHaveLength(2)
    const next = opened(place.path).vault
    expect(next.read(ann, 'jira', 'token')?.value).toBe(secret)
    expect(next.resealAll()).toEqual({ resealed: 1, unopened: 0 })
    expect(
      keyFile(key)
        .read()
        .map(({ id }) => id),
    ).toEqual([newest?.id ?? ''])
    expect(opened(place.path).vault.read(ann, 'jira', 'token')?.value).toBe(secret)
  })

  test('keeps the rows of a key that is not there, and the key of rows that are', () => {
    using place = temporaryDirectory()
    const { store, vault, key } = opened(place.path)
    vault.write(ann, 'jira', 'token', secret)
    const lost = readFileSync(key)
    writeFileSync(key, makeSealingKey().text)
    const second = new Vault(store, keyFile(key))
    second.write('user:bob', 'jira', 'token', 'of bob')
    expect(second.rotate(makeSealingKey)).toMatchObject({ resealed: 1, unopened: 1 })
    const kept = readFileSync(key)
    writeFileSync(key, Buffer.concat([kept, lost]))
    const third = new Vault(store, keyFile(key))
    expect(third.resealAll()).toEqual({ resealed: 1, unopened: 0 })
    expect(third.read(ann, 'jira', 'token')?.value).toBe(secret)
  })

  test('makes nothing where nothing is sealed', () => {
    using place = temporaryDirectory()
    const { vault, key } = opened(place.path)
    expect(vault.rotate(makeSealingKey)).toMatchObject({ resealed: 0, unopened: 0 })
    expect(existsSync(key)).toBe(false)
  })

  test('of a key in a variable takes a new one in front of it', () => {
    const store = createMemoryStore()
    const [one, two] = [makeSealingKey().text, makeSealingKey().text]
    const before = new Vault(store, givenKeys(one))
    before.write(ann, 'jira', 'token', secret)
    expect(() => before.rotate(makeSealingKey)).toThrow('put a new one in front of it')
    const both = new Vault(store, givenKeys(`${two} ${one}`))
    expect(both.rotate(makeSealingKey)).toMatchObject({ resealed: 1, oldKeysStay: true })
    expect(new Vault(store, givenKeys(two)).read(ann, 'jira', 'token')?.value).toBe(secret)
    expect(codeOf(() => new Vault(store, givenKeys(one)).read(ann, 'jira', 'token'))).toBe('SECRETS_LOCKED')
  })
})

function bound(store: DefinitionStore): DefinitionStore {
  return {
    list: () => store.list(),
    get: (name) => store.get(name),
    put: (definition) => store.put(definition),
    delete: (name) => store.delete(name),
    disabledAt: (name) => store.disabledAt(name),
    setDisabled: (name, at) => store.setDisabled(name, at),
    records: (kind) => store.records(kind),
    putRecords: (kind, changes) => store.putRecords(kind, changes),
    switches: () => store.switches(),
    together: (work) => store.together(work),
    close: () => store.close(),
  }
}

test('what is written while another process changes the key opens with the new one', () => {
  using place = temporaryDirectory()
  const { vault, store, key } = opened(place.path)
  vault.write(ann, 'jira', 'token', 'before')
  const keys = keyFile(key)
  let changes = true
  const late = {
    ...keys,
    read: () => {
      const found = keys.read()
      if (changes) {
        changes = false
        vault.rotate(makeSealingKey)
      }
      return found
    },
  }
  new Vault(store, late).write('user:bob', 'jira', 'token', secret)
  expect(new Vault(store, keyFile(key)).read('user:bob', 'jira', 'token')?.value).toBe(secret)
  expect(new Vault(store, keyFile(key)).read(ann, 'jira', 'token')?.value).toBe('before')
})

test('what another process writes with the old key while that goes is sealed with the new one', () => {
  using place = temporaryDirectory()
  const { store, vault: other, key } = opened(place.path)
  other.write(ann, 'jira', 'token', 'before')
  const keys = keyFile(key)
  const replace = keys.replace
  const late = {
    ...keys,
    replace: (next: Parameters<NonNullable<typeof replace>>[0]) => {
      // Just before the old one goes: this one still seals with it, and finds it where it looks afterwards.
      if (next.length === 1) new Vault(store, givenKeys(oldKey)).write('user:bob', 'jira', 'token', secret)
      replace?.(next)
    },
  }
  const oldKey = keys.read()[0]?.text ?? ''
  new Vault(store, late).rotate(makeSealingKey)
  expect(new Vault(store, keyFile(key)).read('user:bob', 'jira', 'token')?.value).toBe(secret)
})

test('a name that nobody has is looked for without reading all that is stored, and odd ones are found', () => {
  const store = createMemoryStore()
  const key = makeSealingKey()
  const records = new Map<string, string>()
  const put = (owner: string, name: string) => {
    const facts = { owner, server: 'jira', name, issuer: '', version: 1, updatedAt: '' }
    records.set(rowId(owner, 'jira', name), JSON.stringify(sealedRow(facts, secret, key)))
  }
  for (let index = 0; index < 5_000; index++) put(`user:${index}`, `token_${index}`)
  put('user:"b\\ob\u2028', 'a"b')
  store.putRecords('credential', records)
  const vault = new Vault(store, passingKeys())
  const tookMs = (prefix: string): number => {
    const fromMs = performance.now()
    vault.list({ prefix })
    return performance.now() - fromMs
  }
  const best = (prefix: string): number => Math.min(...Array.from({ length: 5 }, () => tookMs(prefix)))
  expect(best('oauth:pending:x')).toBeLessThan(best('') / 4)
  expect(vault.list({ owner: 'user:"b\\ob\u2028', server: 'jira', prefix: 'a"' })).toHaveLength(1)
})
