/** What fires after the process stood still lets the loop read first. A blocked loop stands for a stopped process. */
import { expect, test } from 'bun:test'
import { connect, createServer, type Socket } from 'node:net'
import { deadline } from '../../src/runtime/patience.ts'
import { Sweeper } from '../../src/runtime/sweeper.ts'

/** Longer than any pause that a busy machine makes. */
const standstillMs = 1_600

/** Two ends of one connection. */
async function connection(): Promise<{ readonly here: Socket; readonly there: Socket; close(): void }> {
  const accepted = Promise.withResolvers<Socket>()
  const server = createServer((socket) => accepted.resolve(socket)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  const here = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1')
  const there = await accepted.promise
  return {
    here,
    there,
    close() {
      here.destroy()
      there.destroy()
      server.close()
    },
  }
}

test('a deadline is kept to when the process runs', async () => {
  const startedAtMs = performance.now()
  await new Promise<void>((resolve) => deadline(30, resolve))
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(29)
})

test('a deadline that is taken back never expires', async () => {
  let expired = false
  deadline(10, () => {
    expired = true
  })()
  await new Promise((resolve) => deadline(40, () => resolve(undefined)))
  expect(expired).toBe(false)
})

test('what came while the process stood still is read before an overdue deadline expires', async () => {
  const { here, there, close } = await connection()
  const seen: string[] = []
  const expired = Promise.withResolvers<void>()
  here.on('data', () => seen.push('answer'))
  deadline(100, () => {
    seen.push('expired')
    expired.resolve()
  })
  await new Promise((resolve) => there.write('answer', resolve))
  Bun.sleepSync(standstillMs)
  await expired.promise
  expect(seen).toEqual(['answer', 'expired'])
  close()
})

test('a deadline taken back while the loop reads does not expire', async () => {
  const { here, there, close } = await connection()
  let expired = false
  const stop = deadline(100, () => {
    expired = true
  })
  const answered = new Promise<void>((resolve) =>
    here.on('data', () => {
      stop()
      resolve()
    }),
  )
  await new Promise((resolve) => there.write('answer', resolve))
  Bun.sleepSync(standstillMs)
  await answered
  await new Promise((resolve) => deadline(400, () => resolve(undefined)))
  expect(expired).toBe(false)
  close()
})

test('the sweep after a standstill comes only once what had come is read, and the next one comes as ever', async () => {
  const { here, there, close } = await connection()
  const seen: string[] = []
  const sweeper = new Sweeper(() => {})
  const swept = Promise.withResolvers<void>()
  here.on('data', () => seen.push('answer'))
  await new Promise((resolve) => there.write('answer', resolve))
  sweeper.add(() => {
    seen.push('sweep')
    if (seen.length >= 3) swept.resolve()
  })
  Bun.sleepSync(standstillMs)
  await swept.promise
  expect(seen.slice(0, 3)).toEqual(['answer', 'sweep', 'sweep'])
  sweeper.stop()
  close()
})
