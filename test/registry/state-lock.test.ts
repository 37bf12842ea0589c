/** Who has the state directory: one process, for as long as it lives. */
import { expect, test } from 'bun:test'
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { lockState, StateHeldError } from '../../src/registry/storage/state-lock.ts'
import { startProcess } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** A process that takes the directory and says what came of it. */
function holder(directory: string) {
  return startProcess({ command: [process.execPath, join(import.meta.dir, 'state-holder.ts'), directory] })
}

function refusalOf(directory: string): StateHeldError {
  try {
    lockState(directory, '2.0.0').release()
  } catch (thrown) {
    if (thrown instanceof StateHeldError) return thrown
    throw thrown
  }
  return expect.unreachable()
}

test('a second one is refused, and told the version, process and address of the first', async () => {
  using place = temporaryDirectory()
  await using first = holder(place.path)
  await first.line((line) => line === 'held')
  expect(refusalOf(place.path).holder).toEqual({
    pid: first.pid,
    version: '1.2.3',
    url: 'http://127.0.0.1:6001',
    host: hostname(),
  })
  expect(refusalOf(place.path).message).toBe(
    `the state directory ${place.path} is in use by another gateway (compozy 1.2.3, pid ${first.pid}, listening on http://127.0.0.1:6001); stop that one, or set storage.path to a directory of this one's own`,
  )
})

test('a description that cannot be read is no reason to let the second one in', async () => {
  using place = temporaryDirectory()
  await using first = holder(place.path)
  await first.line((line) => line === 'held')
  for (const text of ['', '{', '{"pid":"x"}', '[]']) {
    writeFileSync(join(place.path, 'gateway.json'), text)
    expect(refusalOf(place.path).holder).toBeNull()
  }
})

test('one that was killed leaves nothing that keeps the next one out', async () => {
  using place = temporaryDirectory()
  const first = holder(place.path)
  await first.line((line) => line === 'held')
  await first.kill()
  // What it wrote down is still there, and decides nothing.
  expect(readdirSync(place.path)).toContain('gateway.json')
  lockState(place.path, '2.0.0').release()
})

test('is given back in good order', () => {
  using place = temporaryDirectory()
  const lock = lockState(join(place.path, 'state'), '1.2.3')
  lock.announce('http://127.0.0.1:7000')
  const path = (name: string) => join(place.path, 'state', name)
  expect(JSON.parse(readFileSync(path('gateway.json'), 'utf8'))).toMatchObject({
    url: 'http://127.0.0.1:7000',
  })
  for (const name of ['gateway.json', 'gateway.lock']) expect(statSync(path(name)).mode & 0o777).toBe(0o600)
  lock.release()
  lock.release()
  expect(readdirSync(path('.'))).toEqual(['gateway.lock'])
  lockState(path('.'), '1.2.3').release()
})

test('a lock file that is something else is named', () => {
  using place = temporaryDirectory({ 'gateway.lock': 'this is no database, but long enough. '.repeat(100) })
  expect(() => lockState(place.path, '1.2.3')).toThrow(/Cannot lock .*gateway\.lock: .*storage\.path/)
})

test.if(process.getuid?.() !== 0)('a directory that may not be written to is named', () => {
  using place = temporaryDirectory()
  chmodSync(place.path, 0o500)
  expect(() => lockState(place.path, '1.2.3')).toThrow(/Cannot lock .*storage\.path/)
  chmodSync(place.path, 0o700)
})
