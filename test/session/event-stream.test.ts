/** One open SSE response and its reader: prompt, slow, gone. */
import { describe, expect, test } from 'bun:test'
import { ByteLedger } from '../../src/runtime/byte-ledger.ts'
import { EventStream, eventFrame } from '../../src/session/event-stream.ts'

const roomy = { heldBytesMax: 1 << 30, heldBytesPerClientMax: 1 << 30 }
const frame = eventFrame('x'.repeat(92), null)
const bound = 10 * frame.length

const openEntry = (giveUp: () => void) => new ByteLedger(roomy).open('one', giveUp)

function open(first: string | null = null): { stream: EventStream; ends: () => number } {
  let ends = 0
  const stream = new EventStream(bound, first, {}, openEntry, () => ends++)
  return { stream, ends: () => ends }
}

describe('a reader that reads nothing', () => {
  test('is cut off once the bound is reached, and its end is told once', async () => {
    const { stream, ends } = open(frame)
    let written = 1
    while (stream.write(frame) && written < 100) written++
    expect(written).toBe(10)
    expect(stream.open).toBe(false)
    expect(stream.write(frame)).toBe(false)
    stream.close()
    expect(ends()).toBe(1)
    const read = stream.response.text().catch((reason: Error) => reason.message)
    expect(await read).toContain('does not keep up')
  })

  test('is not kept alive by comments either', () => {
    const { stream } = open(frame.repeat(10))
    stream.heartbeat(performance.now() + 1_000, 1_000)
    expect(stream.open).toBe(false)
  })
})

describe('a reader that keeps up', () => {
  test('gets a message that is larger than the bound, and what follows', async () => {
    const { stream } = open()
    const large = eventFrame('y'.repeat(5 * bound), null)
    const read = stream.response.text()
    expect(stream.write(large)).toBe(true)
    await Bun.sleep(0)
    expect(stream.write(frame)).toBe(true)
    stream.close()
    expect(await read).toBe(`: ok\n\n${large}${frame}`)
  })

  test('and goes away ends the stream, and nothing more is written', async () => {
    const { stream, ends } = open()
    await stream.response.body?.cancel()
    expect(stream.write(frame)).toBe(false)
    expect([stream.open, ends()]).toEqual([false, 1])
  })
})
