/** The audit as it is switched on, moved and switched off, and what stands where lines are missing. */
import { describe, expect, test } from 'bun:test'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Audit, openAudit } from '../../src/audit/audit.ts'
import { gapLine } from '../../src/audit/audit-target.ts'
import { openSink } from '../../src/telemetry/sink.ts'
import { defaultConfig } from '../support/default-config.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const config = defaultConfig({ stateDirectory: '/', terminal: false })
const nothing = () => {}
const log = { debug: nothing, info: nothing, warn: nothing, error: nothing, line: nothing }
const policy = () => ({
  directory: { version: 1, list: () => [] },
  access: { decider: { version: 1, keysAsk: false } },
  identities: { keys: null },
  store: { records: () => new Map<string, string>() },
})
const settings = (file: string | null, logFile: string | null = null) => ({
  ...config,
  audit: { file },
  logging: { ...config.logging, file: logFile },
})
const open = (file: string | null): Promise<Audit> => openAudit(log, { config: settings(file) }, policy)
const eventsIn = (path: string): unknown[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { event: unknown }).event)

describe('an audit', () => {
  test('begins and ends with a line in each file that it is moved to', async () => {
    using place = temporaryDirectory()
    const [one, two] = [join(place.path, 'one'), join(place.path, 'two')]
    const audit = await open(one)
    audit.sweep(0)
    await audit.take(settings(two))
    audit.sweep(0)
    await audit.take(settings(null))
    expect(audit.trail).toBeNull()
    await audit.take(settings(two))
    await audit.close(1_000)
    expect([eventsIn(one), eventsIn(two)]).toEqual([
      ['start', 'stop'],
      ['start', 'stop', 'start', 'stop'],
    ])
  })

  test('is not moved to a file that cannot be opened, nor to that of the log', async () => {
    using place = temporaryDirectory()
    const one = join(place.path, 'one')
    const audit = await open(one)
    const missing = audit.take(settings(join(place.path, 'missing', 'two')))
    await expect(missing).rejects.toThrow(/cannot open the audit file .*: there is no such directory/)
    const same = audit.take(settings(join(place.path, '.', 'log'), join(place.path, 'log')))
    await expect(same).rejects.toThrow(/audit.file is the file of the log/)
    await audit.close(1_000)
    expect(eventsIn(one)).toEqual(['start', 'stop'])
  })

  test('that is off has no trail', async () => {
    expect((await open(null)).trail).toBeNull()
  })
})

test('where lines are missing one says how many', async () => {
  using place = temporaryDirectory()
  const full = openSync('/dev/full', 'w')
  const sink = openSink(full, nothing, gapLine)
  sink.write('{}\n')
  await sink.flush(1_000)
  const path = join(place.path, 'audit.log')
  const file = openSync(path, 'w')
  sink.redirect(file, nothing)
  sink.write('{"event":"call"}\n')
  await sink.flush(1_000)
  expect(eventsIn(path)).toEqual(['call', 'gap'])
  expect(readFileSync(path, 'utf8')).toContain('"lines":1')
  for (const fd of [full, file]) closeSync(fd)
})
