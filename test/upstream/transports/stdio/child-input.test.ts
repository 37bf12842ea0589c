/** How lines reach the stdin of a child. */
import { describe, expect, test } from 'bun:test'
import { ChildInput } from '../../../../src/upstream/transports/stdio/child-input.ts'

/** A socket that keeps each write apart; it takes what `takes` says, and all of it without. */
function inputTo(queueCharsMax: number, takes: number[] = []) {
  const writes: string[] = []
  let ended = 0
  let broken = 0
  const input = new ChildInput(queueCharsMax, () => broken++)
  input.attach({
    write(bytes) {
      const text = String(bytes)
      const taken = takes.shift() ?? text.length
      if (taken > 0) writes.push(text.slice(0, taken))
      return taken
    },
    end: () => ++ended,
    pause() {},
    terminate() {},
  })
  const drain = () => Reflect.apply(input.handlers.drain ?? (() => {}), input, [])
  return { input, writes, drain, ended: () => ended, broken: () => broken }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('child input', () => {
  test('writes the lines of one turn of the event loop together, in their order', async () => {
    const { input, writes } = inputTo(100)
    input.write('a')
    await Promise.resolve()
    input.write('b')
    await turn()
    input.write('c')
    await turn()
    expect(writes).toEqual(['a\nb\n', 'c\n'])
  })

  test('passes on what was queued right before the pipe is closed', async () => {
    const { input, writes, ended } = inputTo(100)
    input.write('last')
    input.end()
    await turn()
    expect(writes).toEqual(['last\n'])
    expect(ended()).toBe(1)
  })

  test('closes the pipe only behind what the child has not taken yet', async () => {
    const { input, writes, drain, ended } = inputTo(100, [2])
    input.write('last')
    input.end()
    expect(ended()).toBe(0)
    drain()
    await turn()
    expect(writes).toEqual(['la', 'st\n'])
    expect(ended()).toBe(1)
  })

  test('refuses a line past the bound while the child does not read, and goes on when it does', async () => {
    const { input, writes, drain } = inputTo(8, [0, 3])
    input.write('first')
    await turn()
    expect(input.write('12345')).toBe(true)
    expect(input.write('678')).toBe(false)
    drain()
    drain()
    await turn()
    expect(writes).toEqual(['fir', 'st\n', '12345\n'])
  })

  test('says that there is nobody to write to any more, and forgets what waits', async () => {
    const { input, writes, drain, broken } = inputTo(100, [2, -1])
    input.write('last')
    await turn()
    expect(broken()).toBe(0)
    drain()
    expect(broken()).toBe(1)
    expect(writes).toEqual(['la'])
  })
})
