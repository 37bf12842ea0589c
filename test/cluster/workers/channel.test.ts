import { describe, expect, test } from 'bun:test'
import { type Answers, Channel, ChannelClosed } from '../../../src/cluster/workers/channel.ts'
import { ConfigError, GatewayError } from '../../../src/errors.ts'

interface Sums {
  add(pair: readonly [number, number]): number
  fail(how: 'plain' | 'configuration' | 'catalogue'): void
  never(nothing: null): void
}

/** Two ends, and a wire between them that carries JSON as the system's does. */
function pair(answers: Answers<Sums>) {
  let lost = false
  const over = (take: (message: unknown) => void) => (message: object) => {
    const text = JSON.stringify(message)
    if (!lost) queueMicrotask(() => take(JSON.parse(text)))
  }
  const asking: Channel<object, Sums> = new Channel<object, Sums>(
    over((message) => answering.received(message)),
    {},
  )
  const answering: Channel<Sums, object> = new Channel<Sums, object>(
    over((message) => asking.received(message)),
    answers,
  )
  return {
    asking,
    lose() {
      lost = true
    },
  }
}

const sums: Answers<Sums> = {
  add: ([one, other]) => one + other,
  fail(how) {
    if (how === 'catalogue') throw new GatewayError('DRAINING', 'It stops.')
    throw how === 'plain' ? Object.assign(new Error('no'), { code: 'EADDRINUSE' }) : new ConfigError('wrong')
  },
  never: () => new Promise<void>(() => {}),
}

describe('a channel', () => {
  test('brings each answer to who has asked', async () => {
    const { asking } = pair(sums)
    const asked = Array.from({ length: 50 }, (_, at) => asking.ask('add', [at, 1], 1_000))
    expect(await Promise.all(asked)).toEqual(asked.map((_, at) => at + 1))
  })

  test('throws here what was thrown there', async () => {
    const { asking } = pair(sums)
    await expect(asking.ask('fail', 'configuration', 1_000)).rejects.toBeInstanceOf(ConfigError)
    await expect(asking.ask('fail', 'plain', 1_000)).rejects.toThrow('no')
    const refusal = await asking.ask('fail', 'catalogue', 1_000).catch((thrown: unknown) => thrown)
    expect(refusal).toEqual(new GatewayError('DRAINING', 'It stops.'))
    expect(refusal).toBeInstanceOf(GatewayError)
  })

  test('does not wait for ever, and tells those who wait that the other end has gone', async () => {
    const { asking, lose } = pair(sums)
    await expect(asking.ask('never', null, 20)).rejects.toBeInstanceOf(ChannelClosed)
    const waiting = asking.ask('never', null, 10_000).then(String, String)
    lose()
    asking.close()
    expect(await waiting).toContain('the other process is gone')
    await expect(asking.ask('add', [1, 1], 1_000)).rejects.toBeInstanceOf(ChannelClosed)
  })

  test('answers a question that nobody there knows with an error', async () => {
    const { asking } = pair({} as Answers<Sums>)
    await expect(asking.ask('add', [1, 1], 1_000)).rejects.toThrow('nobody here knows add')
  })
})
