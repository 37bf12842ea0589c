/**
 * The directory in Redis or Valkey. Everything is one script, one round trip; nothing waits longer than `answerMs`,
 * whatever has become of the server, and nothing is sent twice. Loaded only where `cluster.redis` is set.
 */
import { randomUUID } from 'node:crypto'
import {
  type BeatAnswer,
  type Claim,
  type ClaimOutcome,
  type Directory,
  DirectoryDown,
  goneMemberMs,
  type InstanceId,
  leaseMsMax,
  type Member,
  type OwnedBefore,
  type OwnedKey,
  type Ownership,
  type PutOutcome,
  type RecordChanges,
  type RecordWrite,
  type Refreshed,
  refreshBatchMax,
  type SharedRate,
  type SharedRecord,
  tombstoneMs,
} from './directory.ts'
import { RedisConnection, type RedisListener, type RedisPlace } from './redis-connection.ts'
import * as scripts from './redis-scripts.ts'

/** Records of one answer, and of one question. */
const recordsAtOnce = 200
/** How long slots of a name are known that nobody asks for. */
const slotsMs = 60_000

export class RedisDirectory implements Directory {
  readonly #redis: RedisConnection
  readonly #prefix: string

  /** `name` tells apart clusters that share a Redis. */
  constructor(place: RedisPlace, name: string, told: RedisListener) {
    // One slot, so that a script may use all keys of a cluster.
    this.#prefix = `{cz:${name}}:`
    this.#redis = new RedisConnection(place, this.#key('bus'), told)
  }

  get isUp(): boolean {
    return this.#redis.isUp
  }

  get isMute(): boolean {
    return this.#redis.isMute
  }

  get problems(): readonly string[] {
    return this.#redis.problems.map((problem) => `cluster.redis: ${problem}`)
  }

  onUp(listener: (isUp: boolean) => void): void {
    this.#redis.onUp(listener)
  }

  async beat({ instance, record }: Omit<Member, 'leaseMs'>, leaseMs: number): Promise<BeatAnswer> {
    const answer = await this.#redis.run(
      scripts.beat,
      [this.#key('m'), this.#key('ml'), this.#key('era'), this.#key('rev')],
      [instance, record, leaseMs, goneMemberMs, randomUUID(), leaseMsMax],
    )
    const [nowMs, era, sequence, flat] = rowOf(answer)
    const members = groupsOf(rowOf(flat), 3).map(
      ([id, sealed, left]): Member => ({
        instance: textOf(id),
        record: textOf(sealed),
        leaseMs: Number(left),
      }),
    )
    return { members, nowMs: Number(nowMs), era: textOf(era), sequence: Number(sequence) }
  }

  async leave(instance: InstanceId): Promise<void> {
    await this.#redis.run(scripts.leave, [this.#key('ml')], [instance])
  }

  async claim(key: OwnedKey, { instance, record, livesMs }: Claim): Promise<ClaimOutcome> {
    return outcomeOf(await this.#redis.run(scripts.claim, [this.#key(key)], [instance, record, livesMs]))
  }

  async find(key: OwnedKey): Promise<Ownership | null> {
    const [owner, epoch, record] = rowOf(await this.#redis.fields(this.#key(key), ['o', 'e', 'r']))
    if (owner === null || owner === undefined) return null
    return { owner: textOf(owner), epoch: Number(epoch), record: textOf(record) }
  }

  async adopt(
    key: OwnedKey,
    { owner, epoch }: OwnedBefore,
    { instance, record, livesMs }: Claim,
    proven: boolean,
  ): Promise<ClaimOutcome | null> {
    const answer = await this.#redis.run(
      scripts.adopt,
      [this.#key(key), this.#key('ml')],
      [owner, epoch, proven ? 1 : 0, instance, record, livesMs],
    )
    return answer === null ? null : outcomeOf(answer)
  }

  async update(key: OwnedKey, before: OwnedBefore, record: string, livesMs: number): Promise<boolean> {
    const { owner, epoch } = before
    return (await this.#redis.run(scripts.update, [this.#key(key)], [owner, epoch, record, livesMs])) === 1
  }

  async release(key: OwnedKey, { owner, epoch }: OwnedBefore): Promise<boolean> {
    return (await this.#redis.run(scripts.release, [this.#key(key)], [owner, epoch])) === 1
  }

  async refresh(instance: InstanceId, keys: readonly OwnedKey[], livesMs: number): Promise<Refreshed> {
    const lost: OwnedKey[] = []
    const missing: OwnedKey[] = []
    for (let at = 0; at < keys.length; at += refreshBatchMax) {
      const batch = keys.slice(at, at + refreshBatchMax)
      const answer = rowOf(
        await this.#redis.run(
          scripts.refresh,
          batch.map((key) => this.#key(key)),
          [instance, livesMs],
        ),
      )
      lost.push(...batch.filter((_, index) => answer[index] === 1))
      missing.push(...batch.filter((_, index) => answer[index] === 2))
    }
    return { lost, missing }
  }

  async put(writes: readonly RecordWrite[]): Promise<PutOutcome> {
    const args = writes.flatMap(({ record, expected }) => [...argsOf(record), expected])
    const answer = await this.#redis.run(scripts.put, this.#recordKeys(), [tombstoneMs, ...args])
    const [conflict, sequence] = rowOf(answer)
    return conflict === '' ? { conflict: null, sequence: Number(sequence) } : { conflict: textOf(conflict) }
  }

  async changesSince(from: number): Promise<RecordChanges> {
    const records = new Map<string, SharedRecord>()
    for (let since = from; ; ) {
      const [sequence, held, order] = this.#recordKeys()
      const answer = await this.#redis.run(
        scripts.changes,
        [sequence, held, order, this.#key('era')],
        [since, recordsAtOnce, randomUUID()],
      )
      const [era, last, flat] = rowOf(answer)
      const page = groupsOf(rowOf(flat), 2)
      for (const [key, text] of page) {
        const record = recordOf(textOf(key), textOf(text))
        if (record !== null) records.set(record.key, record)
      }
      since = Number(last)
      if (page.length < recordsAtOnce)
        return { era: textOf(era), sequence: since, records: [...records.values()] }
    }
  }

  async restore(records: readonly SharedRecord[]): Promise<void> {
    for (let at = 0; at < records.length; at += recordsAtOnce) {
      const batch = records.slice(at, at + recordsAtOnce)
      await this.#redis.run(scripts.restore, this.#recordKeys(), [tombstoneMs, ...batch.flatMap(argsOf)])
    }
  }

  async slots(name: string, ask: { instance: InstanceId; wanted: number; max: number }): Promise<number> {
    const { instance, wanted, max } = ask
    const keys = [this.#key(`q:${name}`), this.#key('ml')]
    return Number(await this.#redis.run(scripts.slots, keys, [instance, wanted, max, slotsMs]))
  }

  async take(name: string, { perSecond, burst }: SharedRate, count: number): Promise<number | null> {
    const waitUs = Number(
      await this.#redis.run(scripts.take, [this.#key(`rl:${name}`)], [perSecond, burst, count]),
    )
    return waitUs < 0 ? null : waitUs / 1_000
  }

  hint(text: string): void {
    this.#redis.publish(text)
  }

  onHint(listener: (text: string) => void): void {
    this.#redis.onMessage(listener)
  }

  async close(): Promise<void> {
    this.#redis.close()
  }

  #key(name: string): string {
    return `${this.#prefix}${name}`
  }

  #recordKeys(): [string, string, string, string] {
    return [this.#key('rev'), this.#key('d'), this.#key('do'), this.#key('dt')]
  }
}

/** Whoever can write to Redis can write anything: what does not fit is no answer. */
function rowOf(answer: unknown): readonly unknown[] {
  if (!Array.isArray(answer)) throw new DirectoryDown(`Redis answered ${typeof answer}, and not a list`)
  return answer
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new DirectoryDown(`Redis answered ${typeof value}, and not a text`)
  return value
}

function groupsOf(row: readonly unknown[], size: number): unknown[][] {
  const groups: unknown[][] = []
  for (let at = 0; at + size <= row.length; at += size) groups.push(row.slice(at, at + size))
  return groups
}

function outcomeOf(answer: unknown): ClaimOutcome {
  const [owner, epoch, record, mine] = rowOf(answer)
  return { owner: textOf(owner), epoch: Number(epoch), record: textOf(record), mine: mine === 1 }
}

function argsOf({ key, version, sealed, removed }: SharedRecord): (string | number)[] {
  return [key, version, removed ? 1 : 0, sealed]
}

/** Null for what is none: it has not been written by a member. */
function recordOf(key: string, text: string): SharedRecord | null {
  const [, version, removed, sealed] = /^(\d{1,16}):([01]):(.*)$/s.exec(text) ?? []
  if (version === undefined || sealed === undefined) return null
  return { key, version: Number(version), sealed, removed: removed === '1' }
}
