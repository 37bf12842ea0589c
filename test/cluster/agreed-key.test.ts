/** The one key of stored credentials: what one replica seals the others open, or it is not sealed. */
import { afterEach, describe, expect, test } from 'bun:test'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DirectoryDown } from '../../src/cluster/directory/directory.ts'
import { MemoryDirectory } from '../../src/cluster/directory/memory-directory.ts'
import type { AgreedKey } from '../../src/cluster/records/agreed-key.ts'
import { CredentialsOpener } from '../../src/credentials/open-credentials.ts'
import { makeSealingKey } from '../../src/credentials/vault/sealing-key.ts'
import { GatewayError, reasonOf } from '../../src/errors.ts'
import { createMemoryStore } from '../../src/registry/storage/store.ts'
import { poll } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { joined, type TestMember } from './members.ts'

/** Takes seconds: `bun run test:long:cluster`. */
const isLong = process.env['CLUSTER_FAULTS'] === '1'

let open = new AsyncDisposableStack()
afterEach(async () => {
  await open.disposeAsync()
  open = new AsyncDisposableStack()
})

interface Keys {
  readonly key?: string
  readonly keyFile?: string
}

interface Replica extends TestMember {
  readonly credentials: CredentialsOpener
  readonly keys: AgreedKey
  store(value: string): Promise<void>
  value(): Promise<string | null>
}

/** A replica that has begun; rejects where it does not. */
async function replica(memory: MemoryDirectory, { key, keyFile }: Keys): Promise<Replica> {
  const member = await joined(memory, { leaseMs: 400 })
  open.defer(() => member.cluster.close())
  const { cluster, log } = member
  const secrets = { key: key ?? null, keyFile: keyFile ?? null, dirs: [], exec: false }
  const home = open.use(temporaryDirectory())
  const credentials = new CredentialsOpener({
    store: cluster.shared ?? createMemoryStore(),
    sharers: cluster.sharers,
    log,
    settings: { config: { secrets, baseUrl: null, tls: { certFile: null } } },
    directory: home.path,
    servers: () => {
      throw new Error('no servers')
    },
  } as unknown as ConstructorParameters<typeof CredentialsOpener>[0])
  const keys = cluster.sharers.agreement as AgreedKey
  await keys.begin(credentials.heldKeys)
  await cluster.membership.refresh()
  const confirm = <T>(work: () => Promise<T>) => cluster.shared?.confirm(work) ?? work()
  return {
    ...member,
    credentials,
    keys,
    store: (value) =>
      confirm(async () => void (await credentials.vault()).write('user:ada', 'docs', 'token', value)),
    value: async () => (await credentials.vault()).read('user:ada', 'docs', 'token')?.value ?? null,
  }
}

const [oldKey, newKey] = [makeSealingKey(), makeSealingKey()]

/** What it fails with. */
async function refusalOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'none',
    (thrown: unknown) =>
      thrown instanceof GatewayError ? `${thrown.code} ${thrown.details}` : reasonOf(thrown),
  )
}

/** Resolves when this replica reads that. */
async function reads(at: Replica, value: string): Promise<void> {
  await poll(value, async () => (await at.value().catch(() => null)) === value, 3_000)
}

test('what one stores the others open, where all have the same key', async () => {
  const memory = new MemoryDirectory()
  const [one, other] = [
    await replica(memory, { key: oldKey.text }),
    await replica(memory, { key: oldKey.text }),
  ]
  await one.store('secret')
  await reads(other, 'secret')
  expect(other.cluster.status()).toMatchObject({ credentialsKey: oldKey.id, problems: [] })
  await poll(
    'both',
    async () => one.cluster.status().members.filter(({ key }) => key === 'shared').length === 2,
  )
})

test('a replica with another key than those that run does not start, and says what to do', async () => {
  const memory = new MemoryDirectory()
  const one = await replica(memory, { key: oldKey.text })
  const said = await refusalOf(replica(memory, { key: newKey.text }))
  expect(said).toStartWith('secrets.key is another one than that of the replicas that run')
  for (const part of [newKey.id, oldKey.id, one.cluster.membership.self.address]) expect(said).toContain(part)
  expect(said).not.toContain(oldKey.text)
})

test('one without a key serves, and neither stores nor opens', async () => {
  const memory = new MemoryDirectory()
  const one = await replica(memory, { key: oldKey.text })
  await one.store('secret')
  const other = await replica(memory, {})
  expect(await refusalOf(other.store('mine'))).toStartWith('SECRETS_LOCKED')
  expect(await refusalOf(other.value())).toStartWith('SECRETS_LOCKED')
  const [problem] = other.cluster.status().problems
  expect(problem).toContain(`with the key ${oldKey.id}, and this one has none`)
  expect(other.log.lines.join('\n')).toContain('error stored credentials cannot be used here')
  await poll('the others', async () => one.cluster.status().members.some(({ key }) => key === 'none'))
  expect(await one.value()).toBe('secret')
})

test('no replica makes a key that the others would not have, but in a file that is configured', async () => {
  const memory = new MemoryDirectory()
  const one = await replica(memory, {})
  expect(await refusalOf(one.store('secret'))).toMatch(/^SECRETS_LOCKED .*same COMPOZY_SECRETS_KEY/)
  using shared = temporaryDirectory()
  const keyFile = join(shared.path, 'secrets.key')
  const [two, three] = [await replica(memory, { keyFile }), await replica(memory, { keyFile })]
  await two.store('secret')
  await reads(three, 'secret')
})

test('a key that everybody has lost is given up once nothing needs it', async () => {
  const memory = new MemoryDirectory()
  const one = await replica(memory, { key: oldKey.text })
  await one.store('secret')
  await one.cluster.close()
  memory.end(one.cluster.membership.self.instance)
  const other = await replica(memory, { key: newKey.text })
  expect(await refusalOf(other.store('mine'))).toMatch(/^SECRETS_LOCKED The replicas seal stored credentials/)
  const vault = await other.credentials.vault()
  expect(vault.delete('user:ada', 'docs', 'token')).toBe(true)
  await other.store('mine')
  expect([await other.value(), other.keys.agreed]).toEqual(['mine', newKey.id])
})

describe('the key is changed', () => {
  test('by a new one in front of the old one, which counts once all replicas have it', async () => {
    const memory = new MemoryDirectory()
    const one = await replica(memory, { key: oldKey.text })
    await one.store('first')
    const two = await replica(memory, { key: `${newKey.text} ${oldKey.text}` })
    // One that has it is not enough: what it stores the other opens.
    await two.store('second')
    await reads(one, 'second')
    expect(two.keys.agreed).toBe(oldKey.id)
    await one.cluster.close()
    const three = await replica(memory, { key: `${newKey.text} ${oldKey.text}` })
    expect(await three.credentials.rotate()).toMatchObject({ resealed: 1, unopened: 0, oldKeysStay: true })
    await poll('the others', async () => two.keys.agreed === newKey.id)
    await two.cluster.close()
    const four = await replica(memory, { key: newKey.text })
    expect(await four.value()).toBe('second')
  }, 15_000)

  test('in a file that they share, by one command', async () => {
    const memory = new MemoryDirectory()
    using shared = temporaryDirectory()
    const keyFile = join(shared.path, 'secrets.key')
    const [one, two] = [await replica(memory, { keyFile }), await replica(memory, { keyFile })]
    await one.store('first')
    await reads(two, 'first')
    const [before] = await one.credentials.heldKeys.ids()
    expect(await two.credentials.rotate()).toMatchObject({ resealed: 1, unopened: 0 })
    const ids = await one.credentials.heldKeys.ids()
    expect([ids.length, ids[0] === before]).toEqual([1, false])
    await poll('the change', async () => one.keys.agreed === ids[0])
    expect(await one.value()).toBe('first')
    await one.store('second')
    await reads(two, 'second')
  })

  test.skipIf(!isLong)(
    'not where each has a file of its own, until all files are the same',
    async () => {
      const memory = new MemoryDirectory()
      using files = temporaryDirectory()
      const [first, second] = [join(files.path, 'a.key'), join(files.path, 'b.key')]
      const one = await replica(memory, { keyFile: first })
      await one.store('kept')
      cpSync(first, second)
      const two = await replica(memory, { keyFile: second })
      const early = await refusalOf(one.credentials.rotate())
      expect(early).toStartWith('BAD_REQUEST The new key is in')
      expect(early).toContain(`these do not: ${two.cluster.membership.self.address}`)
      // Both go on as before.
      await one.store('still')
      await reads(two, 'still')
      cpSync(first, second)
      expect(await one.credentials.rotate()).toMatchObject({ resealed: 1 })
      await poll('the other', async () => two.keys.agreed === one.keys.agreed)
      await reads(two, 'still')
      expect(readFileSync(first, 'utf8').trim().split('\n')).toHaveLength(2)
    },
    20_000,
  )

  test('takes no key away while the others do not have what was sealed anew', async () => {
    const memory = new MemoryDirectory()
    using shared = temporaryDirectory()
    const keyFile = join(shared.path, 'secrets.key')
    const one = await replica(memory, { keyFile })
    await one.store('kept')
    const { put } = one.directory
    // The directory takes the agreement, and nothing of what is sealed anew.
    one.directory.put = async (writes) =>
      writes.some(({ record }) => record.key.startsWith('credential/'))
        ? Promise.reject(new Error('cut off'))
        : await put(writes)
    expect(await refusalOf(one.credentials.rotate())).toStartWith('STORE_UNAVAILABLE')
    one.directory.put = put
    expect(await one.value()).toBe('kept')
    expect(await one.credentials.rotate()).toMatchObject({ resealed: 1 })
    expect(await one.value()).toBe('kept')
  })

  test('not while the directory is away, which is said at once', async () => {
    const memory = new MemoryDirectory()
    using files = temporaryDirectory()
    const one = await replica(memory, { keyFile: join(files.path, 'secrets.key') })
    await one.store('kept')
    const { put } = one.directory
    one.directory.put = async () => {
      one.directory.cut(true)
      throw new DirectoryDown('cut off')
    }
    expect(await refusalOf(one.credentials.rotate())).toStartWith('STORE_UNAVAILABLE')
    one.directory.put = put
    one.directory.cut(false)
    expect(await one.credentials.rotate()).toMatchObject({ resealed: 1 })
    expect(await one.value()).toBe('kept')
  })

  test.skipIf(!isLong)(
    'by itself, some seconds after it stands first everywhere',
    async () => {
      const memory = new MemoryDirectory()
      const both = `${newKey.text} ${oldKey.text}`
      const one = await replica(memory, { key: oldKey.text })
      await one.store('first')
      const two = await replica(memory, { key: both })
      await one.cluster.close()
      const three = await replica(memory, { key: both })
      await poll(
        'the change',
        async () => [two, three].every(({ keys }) => keys.agreed === newKey.id),
        10_000,
      )
      const sealedWith = () => [...(three.cluster.shared?.records('credential').values() ?? [])].join()
      await poll('the seals', async () => sealedWith().includes(newKey.id), 5_000)
    },
    30_000,
  )
})
