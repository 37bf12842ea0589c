/** The books of stateless clients' requests: who is watched, who is swept, and who is forgotten. */
import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/errors.ts'
import { ByteLedger } from '../../../src/runtime/byte-ledger.ts'
import { ModernRequests, type OpenRequest } from '../../../src/session/modern/requests.ts'

const settings = {
  parkedCallsMax: 4,
  sessionsMax: 2,
  sessionsPerClientMax: 2,
  clientInputMs: 60_000,
  streamBufferBytesMax: 1024,
  heartbeatMs: 60_000,
  streamAfterMs: 60_000,
}

const bounds = { heldBytesMax: 1024, heldBytesPerClientMax: 1024 }

/** A request that notes what happens to it. */
class Work implements OpenRequest {
  place = 0
  readonly principalId = 'anonymous'
  readonly grants = null
  readonly clientKey: string = 'one'
  readonly serverName = 'one'
  readonly watched = Promise.withResolvers<void>()
  watches = 0
  sweeps = 0
  aborts = 0

  constructor(
    readonly endless = false,
    readonly onWatch: () => void = () => {},
  ) {}

  sweep(): void {
    this.sweeps++
  }

  watchClient(): void {
    this.watches++
    this.onWatch()
    this.watched.resolve()
  }

  abort(): void {
    this.aborts++
  }
}

describe('a client is watched', () => {
  test('once, whenever its request came', async () => {
    const calls = new ModernRequests(settings, new ByteLedger(bounds))
    const [one, two] = [new Work(), new Work()]
    calls.add(one)
    await Bun.sleep(1)
    calls.add(two)
    await Promise.all([one.watched.promise, two.watched.promise])
    const later = new Work()
    calls.add(later)
    await later.watched.promise
    expect([one.watches, two.watches, later.watches]).toEqual([1, 1, 1])
  })

  test('not when its request is answered soon', async () => {
    const calls = new ModernRequests(settings, new ByteLedger(bounds))
    const [quick, slow] = [new Work(), new Work()]
    calls.add(quick)
    calls.add(slow)
    calls.delete(quick)
    await slow.watched.promise
    expect(quick.watches).toBe(0)
  })

  test('not when the watching of another has ended it, and then nothing of it is left', async () => {
    const calls = new ModernRequests(settings, new ByteLedger(bounds))
    const second = new Work()
    const first = new Work(false, () => calls.delete(second))
    calls.add(first)
    calls.add(second)
    await first.watched.promise
    calls.sweep(0)
    expect(second).toMatchObject({ watches: 0, sweeps: 0 })
    expect(first.sweeps).toBe(1)
  })
})

describe('whether watched or not, what is under way', () => {
  test('is swept and can be aborted, and what is over is not', async () => {
    const calls = new ModernRequests(settings, new ByteLedger(bounds))
    const [old, over] = [new Work(), new Work()]
    calls.add(old)
    calls.add(over)
    await over.watched.promise
    calls.delete(over)
    const fresh = new Work()
    calls.add(fresh)
    calls.sweep(0)
    calls.abortWhere(() => true, new GatewayError('DRAINING', 'the gateway is shutting down'))
    for (const work of [old, fresh]) expect(work).toMatchObject({ sweeps: 1, aborts: 1 })
    expect(over).toMatchObject({ sweeps: 0, aborts: 0 })
  })

  test('counts against the bound on subscriptions until it is over, once', () => {
    const calls = new ModernRequests(settings, new ByteLedger(bounds))
    const subscriptions = [new Work(true), new Work(true)]
    for (const work of subscriptions) calls.add(work)
    expect(() => calls.add(new Work(true))).toThrow('2 subscriptions')
    for (const work of subscriptions) {
      calls.delete(work)
      calls.delete(work)
    }
    for (const work of subscriptions) calls.add(work)
    expect(() => calls.add(new Work(true))).toThrow('2 subscriptions')
  })
})
