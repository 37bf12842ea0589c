import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { cleanFileRanges } from '../../src/cli/serve/resident-pages.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'

function mapping(head: string, rssKib: number, anonymousKib: number): string {
  return `${head}\nSize: 90000 kB\nRss: ${rssKib} kB\nPss: 1 kB\nAnonymous: ${anonymousKib} kB\nVmFlags: rd ex`
}

const program = '00200000-01a39000 r-xp 00000000 fe:00 1234 /usr/bin/compozy'

test.each([
  { why: 'code of a file', text: mapping(program, 5000, 0), taken: true },
  { why: 'too little to matter', text: mapping(program, 500, 0), taken: false },
  { why: 'written by the loader', text: mapping(program, 5000, 4), taken: false },
  { why: 'writable', text: mapping(program.replace('r-xp', 'rw-p'), 5000, 0), taken: false },
  { why: 'shared', text: mapping(program.replace('r-xp', 'r-xs'), 5000, 0), taken: false },
  { why: 'of no file', text: mapping('00200000-01a39000 r-xp 00000000 00:00 0 ', 5000, 0), taken: false },
  { why: 'the kernel says nothing of it', text: `${program}\nRss: 5000 kB`, taken: false },
])('a mapping is given back: $why, $taken', ({ text, taken }) => {
  expect(cleanFileRanges(`${text}\n${text}`)).toHaveLength(taken ? 2 : 0)
  if (taken) expect(cleanFileRanges(text)).toEqual([{ start: 0x200000, end: 0x1a39000 }])
})

test('an idle gateway holds less than 45 MiB a few seconds after its start, and serves on', async () => {
  await using gateway = await startGatewayProcess({ via: 'executable' })
  await poll('less than 45 MiB resident', async () => {
    const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8')) ?? []
    return Number(kib) < 45 * 1024
  })
  expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
})
