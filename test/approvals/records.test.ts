/** Records of approvals: what has given way to others is kept no longer. */
import { expect, test } from 'bun:test'
import { hashOf } from '../../src/approvals/definition-text.ts'
import { PinnedServer } from '../../src/approvals/pinned-server.ts'
import { heldRecords, idOf, recordOf } from '../../src/approvals/records.ts'

const text = (description: string) => JSON.stringify({ name: 'a', description })

test('a server that lists something else each time leaves as many records as definitions are held', () => {
  const server = new PinnedServer('docs', {
    changed() {},
    waiting() {},
    now: () => '2026-11-30T00:00:00.000Z',
  })
  server.shows('a', text('Good.'))
  for (const one of server.held) server.approve(one, '2026-11-30T00:00:00.000Z', 'admin:1')
  const kept = new Map<string, string | null>(server.approved.map((one) => [idOf('docs', one), '{}']))
  for (let round = 0; round < 50; round++) {
    for (let at = 0; at < 10; at++) server.shows('a', text(`Evil ${round} ${at}.`))
    for (const [id, record] of heldRecords(server, [...kept.keys(), 'other 1'])) {
      if (record === null) kept.delete(id)
      else kept.set(id, record)
    }
    expect(kept.size).toBe(5)
  }
})

test('a record of a server whose name begins like that of another one is left alone', () => {
  const server = new PinnedServer('docs', { changed() {}, waiting() {}, now: () => '' })
  expect(heldRecords(server, ['docs-2 1', 'docs2 1'])).toEqual([])
})

test('a record counts only with the hash of its text', () => {
  const [good, evil] = [text('Good.'), text('Evil.')]
  const record = (of: string) => JSON.stringify({ tool: 'a', text: of, at: '', by: 'admin:1' })
  expect(recordOf(record(good), hashOf(good))).toMatchObject({ text: good })
  expect(recordOf(record(evil), hashOf(good))).toBeNull()
  expect(recordOf(JSON.stringify({ tool: 'a', text: null, at: '', by: 'admin:1' }), hashOf(good))).toBeNull()
})
