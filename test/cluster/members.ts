/** Members of a cluster in one process, with a directory that the test can cut off. */
import { Cluster } from '../../src/cluster/cluster.ts'
import { type Directory, DirectoryDown } from '../../src/cluster/directory/directory.ts'
import type { MemoryDirectory } from '../../src/cluster/directory/memory-directory.ts'
import { createSeal } from '../../src/cluster/seal.ts'
import { createMemoryStore, type DefinitionStore } from '../../src/registry/storage/store.ts'
import type { Log } from '../../src/telemetry/log.ts'

export const secret = 's'.repeat(32)

export interface TestLog extends Log {
  readonly lines: string[]
}

export function testLog(): TestLog {
  const lines: string[] = []
  const note = (level: string) => (fields: object, message: string) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
  return {
    lines,
    debugging: false,
    debug: note('debug'),
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
  } as TestLog
}

/** A directory that does not answer while it is cut off. */
export interface CutDirectory extends Directory {
  cut(isCut: boolean): void
}

export function cuttable(memory: MemoryDirectory): CutDirectory {
  const inner = memory.open()
  const listeners: ((isUp: boolean) => void)[] = []
  let isCut = false
  const passed =
    <A extends unknown[], T>(ask: (...args: A) => Promise<T>) =>
    async (...args: A) => {
      if (isCut) throw new DirectoryDown('cut off')
      return await ask(...args)
    }
  return {
    get isUp() {
      return !isCut
    },
    onUp: (listener) => void listeners.push(listener),
    beat: passed(inner.beat),
    leave: passed(inner.leave),
    claim: passed(inner.claim),
    find: passed(inner.find),
    adopt: passed(inner.adopt),
    update: passed(inner.update),
    release: passed(inner.release),
    refresh: passed(inner.refresh),
    put: passed(inner.put),
    changesSince: passed(inner.changesSince),
    restore: passed(inner.restore),
    slots: passed(inner.slots),
    take: passed(inner.take),
    hint: (text) => {
      if (!isCut) inner.hint(text)
    },
    onHint: (listener) => inner.onHint((text) => void (isCut || listener(text))),
    close: () => inner.close(),
    cut(now) {
      isCut = now
      for (const listener of listeners) listener(!now)
    },
  }
}

export interface TestMember {
  readonly cluster: Cluster
  readonly directory: CutDirectory
  readonly log: TestLog
  readonly local: DefinitionStore
}

let made = 0

/** A member that has joined. */
export async function joined(
  memory: MemoryDirectory,
  options: {
    local?: DefinitionStore
    secret?: string | readonly string[]
    leaseMs?: number
    instance?: string
    untilBegunMs?: number
    address?: string
  } = {},
): Promise<TestMember> {
  const directory = cuttable(memory)
  const log = testLog()
  const local = options.local ?? createMemoryStore()
  const instance = options.instance ?? `member${String(++made).padStart(10, '0')}`
  const cluster = new Cluster({
    name: 'test',
    directory,
    seal: createSeal([options.secret ?? secret].flat()),
    self: { instance, address: options.address ?? `127.0.0.1:${6_000 + made}`, version: '1' },
    leaseMs: options.leaseMs ?? 400,
    log,
    local,
    secretDirs: [],
  })
  await cluster.shared?.book.reconcile()
  await cluster.shared?.book.untilBegun(options.untilBegunMs ?? 0)
  await cluster.membership.start()
  return { cluster, directory, log, local }
}
