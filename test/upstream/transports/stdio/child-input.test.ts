/** How lines reach the stdin of a child. */
import { describe, expect, test } from 'bun:test'
import { Writable } from 'node:stream'
import { createChildInput } from '../../../../src/upstream/transports/stdio/child-input.ts'

/** A pipe that keeps each write apart; with `stalled` it takes one write and then no more. */
function pipe(options: { stalled?: boolean } = {}) {
  const writes: string[] = []
  let release = () => {}
  const stream = new Writable({
    highWaterMark: 1,
    decodeStrings: false,
    write(chunk, _encoding, done) {
      writes.push(String(chunk))
      if (options.stalled) release = done
      else done()
    },
  })
  return { stream, writes, release: () => release() }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('child input', () => {
  test('writes the lines of one turn of the event loop together, in their order', async () => {
    const { stream, writes } = pipe()
    const input = createChildInput(stream, 100)
    input.write('a')
    await Promise.resolve()
    input.write('b')
    await turn()
    input.write('c')
    await turn()
    expect(writes).toEqual(['a\nb\n', 'c\n'])
  })

  test('passes on what was queued right before the pipe is closed', async () => {
    const { stream, writes } = pipe()
    const input = createChildInput(stream, 100)
    const finished = new Promise<void>((resolve) => stream.once('finish', resolve))
    input.write('last')
    input.end()
    await finished
    await turn()
    expect(writes).toEqual(['last\n'])
  })

  test('refuses a line past the bound while the child does not read, and goes on when it does', async () => {
    const { stream, writes, release } = pipe({ stalled: true })
    const input = createChildInput(stream, 8)
    input.write('first')
    await turn()
    expect(input.write('12345')).toBe(true)
    expect(input.write('678')).toBe(false)
    const drained = new Promise<void>((resolve) => stream.once('drain', resolve))
    release()
    await drained
    expect(writes).toEqual(['first\n', '12345\n'])
  })
})
