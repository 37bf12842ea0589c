/** The log in a file: moved away, full, not there. */
import { describe, expect, test } from 'bun:test'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import type { ProcessLog } from '../../src/telemetry/log.ts'
import { createLog } from '../../src/telemetry/pino.ts'
import { openSink } from '../../src/telemetry/sink.ts'
import { poll } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const linesOf = (path: string): string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
const messagesOf = (path: string): unknown[] =>
  linesOf(path).map((line) => (JSON.parse(line) as { msg: unknown }).msg)

async function say(log: ProcessLog, message: string): Promise<void> {
  log.info({}, message)
  await log.flush(1_000)
}

describe('a log file', () => {
  test('is appended to, and readable by its owner and group alone', async () => {
    using place = temporaryDirectory({ 'a.log': '{"msg":"older"}\n' })
    const file = join(place.path, 'a.log')
    const log = await createLog({ level: 'info', format: 'json', file })
    await say(log, 'one')
    expect(messagesOf(file)).toEqual(['older', 'one'])
    const fresh = join(place.path, 'b.log')
    await log.take({ level: 'info', format: 'json', file: fresh })
    await say(log, 'two')
    expect(messagesOf(fresh)).toEqual(['two'])
    expect(statSync(fresh).mode & 0o027).toBe(0)
    expect(messagesOf(file)).toEqual(['older', 'one'])
  })

  test('is opened again when it is asked for, and no line is lost or torn on the way', async () => {
    using place = temporaryDirectory()
    const file = join(place.path, 'a.log')
    const log = await createLog({ level: 'info', format: 'json', file })
    const descriptors = () => readdirSync('/proc/self/fd').length
    const before = descriptors()
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < 200; n++) log.info({ text: 'x'.repeat(500) }, `${round}.${n}`)
      renameSync(file, `${file}.${round}`)
      log.reopen()
    }
    await say(log, 'last')
    const all = [...Array.from({ length: 5 }, (_, round) => `${file}.${round}`), file].flatMap(messagesOf)
    const expected = Array.from({ length: 5 }, (_, round) =>
      Array.from({ length: 200 }, (_, n) => `${round}.${n}`),
    )
    expect(all).toEqual([...expected.flat(), 'last'])
    expect(descriptors()).toBe(before)
  })

  test('that was moved away is noticed without being asked', async () => {
    using place = temporaryDirectory()
    const file = join(place.path, 'a.log')
    const log = await createLog({ level: 'info', format: 'json', file })
    await say(log, 'one')
    renameSync(file, `${file}.1`)
    let nowMs = 0
    await poll('the new file', async () => {
      nowMs += 1_000
      log.sweep(nowMs)
      return existsSync(file)
    })
    await say(log, 'two')
    expect([messagesOf(`${file}.1`), messagesOf(file)]).toEqual([['one'], ['two']])
  })

  test('that cannot be opened again is kept, and the log goes on', async () => {
    using place = temporaryDirectory()
    const folder = join(place.path, 'logs')
    mkdirSync(folder)
    const file = join(folder, 'a.log')
    const log = await createLog({ level: 'info', format: 'json', file })
    await say(log, 'one')
    renameSync(folder, `${folder}.old`)
    log.reopen()
    log.reopen()
    await say(log, 'two')
    expect(messagesOf(join(`${folder}.old`, 'a.log'))).toEqual(['one', 'two'])
  })

  test.each([
    {
      why: 'its directory is not there',
      path: 'missing/a.log',
      says: /there is no such directory; make it first/,
    },
    { why: 'it is a directory', path: '.', says: /it is a directory/ },
  ])('is refused in one line when $why, and nothing changes', async ({ path, says }) => {
    using place = temporaryDirectory()
    const file = join(place.path, path)
    await expect(createLog({ level: 'info', format: 'json', file })).rejects.toThrow(says)
    const good = join(place.path, 'good.log')
    const log = await createLog({ level: 'info', format: 'json', file: good })
    await expect(log.take({ level: 'error', format: 'json', file })).rejects.toThrow(says)
    await say(log, 'still here')
    expect(messagesOf(good)).toEqual(['still here'])
  })

  test('is refused when it is a pipe that nobody reads, instead of being waited for', async () => {
    using place = temporaryDirectory()
    const file = join(place.path, 'pipe')
    Bun.spawnSync(['mkfifo', file])
    await expect(createLog({ level: 'info', format: 'json', file })).rejects.toThrow(
      /a pipe that nobody reads/,
    )
  })

  test('takes another level and form while it is open', async () => {
    using place = temporaryDirectory()
    const file = join(place.path, 'a.log')
    const log = await createLog({ level: 'warn', format: 'json', file })
    log.info({}, 'unheard')
    await log.take({ level: 'debug', format: 'json', file })
    log.debug({}, 'heard')
    await log.take({ level: 'info', format: 'pretty', file })
    log.debug({}, 'unheard again')
    await say(log, 'for people')
    const [first, second] = linesOf(file)
    expect(JSON.parse(first ?? '')).toMatchObject({ level: 'debug', msg: 'heard' })
    expect(second).toContain('INFO')
    // Colours are for terminals.
    expect(second).not.toContain('\u001b')
  })
})

test('a full disk loses lines, is reported once, and the log says how many when there is room again', async () => {
  using place = temporaryDirectory()
  const full = openSync('/dev/full', 'w')
  const told: (string | null)[] = []
  const sink = openSink(full, (error) => told.push(error === null ? null : (error.code ?? '')))
  for (const line of ['one\n', 'two\n']) {
    sink.write(line)
    await sink.flush(1_000)
  }
  expect(sink.linesDropped).toBe(2)
  expect(told).toEqual(['ENOSPC'])
  const path = join(place.path, 'a.log')
  const file = openSync(path, 'w')
  sink.redirect(file, () => {})
  sink.write('three\n')
  await sink.flush(1_000)
  expect(told).toEqual(['ENOSPC', null])
  expect(readFileSync(path, 'utf8')).toMatch(/^three\n\{.*"dropped":2.*\}\n$/)
  for (const fd of [full, file]) closeSync(fd)
  rmSync(path)
})
