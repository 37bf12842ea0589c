/** The directory in the memory of a process. */
import { expect, test } from 'bun:test'
import { goneMemberMs, tombstoneMs } from '../../src/cluster/directory/directory.ts'
import { MemoryDirectory } from '../../src/cluster/directory/memory-directory.ts'
import { directoryContract } from './directory-contract.ts'

directoryContract('the directory in memory', async () => {
  const memory = new MemoryDirectory()
  return {
    open: async () => memory.open(),
    empty: async () => memory.clear(),
    stop: async () => {},
  }
})

test('its host may end a member at once, whose things are then free', async () => {
  const memory = new MemoryDirectory()
  const directory = memory.open()
  await directory.beat({ instance: 'aaaa', record: '' }, 60_000)
  const { epoch } = await directory.claim('s:1', { instance: 'aaaa', record: '', livesMs: 60_000 })
  memory.end('aaaa')
  const claim = { instance: 'bbbb', record: '', livesMs: 60_000 }
  expect(await directory.adopt('s:1', { owner: 'aaaa', epoch }, claim, false)).toMatchObject({ mine: true })
})

test('forgets members that are gone, and after a day what was removed', async () => {
  let nowMs = 1_000_000
  const memory = new MemoryDirectory(() => nowMs)
  const directory = memory.open()
  await directory.beat({ instance: 'aaaa', record: '' }, 4_000)
  const record = { key: 'key a', version: 1, sealed: '', removed: true }
  await directory.put([{ record, expected: 0 }])
  nowMs += goneMemberMs + 4_000
  const { members } = await directory.beat({ instance: 'bbbb', record: '' }, 4_000)
  expect(members.map(({ instance }) => instance)).toEqual(['bbbb'])
  expect((await directory.changesSince(0)).records).toHaveLength(1)
  nowMs += tombstoneMs
  expect((await directory.changesSince(0)).records).toEqual([])
})
