import { expect, test } from 'bun:test'
import { readFileSync, statSync } from 'node:fs'
import { cleanFileRanges, mappingsOf, moduleGraph, QuietTimes } from '../../src/cli/serve/resident-pages.ts'
import { poll, startGatewayProcess } from '../support/gateway.ts'
import { compozy } from '../support/terminal.ts'

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

const graph = { path: '/usr/bin/compozy', startBytes: 0x6819000, endBytes: 0x7160710 }

test.each([
  {
    why: 'its part of a writable mapping, in whole pages',
    graph,
    taken: [{ start: 0x6a20000, end: 0x7360000 }],
  },
  { why: 'not that of another file', graph: { ...graph, path: '/usr/bin/other' }, taken: [] },
  { why: 'nothing where there is none', graph: null, taken: [] },
])('of the module graph is given back: $why', ({ graph, taken }) => {
  const writable = '0685e000-0736a000 rw-p 0665e000 fe:00 1234 /usr/bin/compozy'
  expect(cleanFileRanges(mapping(writable, 5000, 120), graph)).toEqual([...taken])
})

test('only mappings of the program are remembered, since a library may go and leave its addresses to others', () => {
  const own = mapping(program, 5000, 0)
  const others = ['/usr/lib/libc.so.6', '/usr/bin/compozy (deleted)', '/opt/usr/bin/compozy'].map((path) =>
    mapping(program.replace('/usr/bin/compozy', path), 5000, 0),
  )
  expect(mappingsOf([...others, own, ...others].join('\n'), '/usr/bin/compozy')).toBe(own)
})

test('the module graph of the executable is found, and in what is no program none', () => {
  const found = moduleGraph(compozy)
  expect(found?.endBytes).toBeGreaterThan((found?.startBytes ?? 0) + 1024 * 1024)
  expect(found?.endBytes).toBeLessThanOrEqual(statSync(compozy).size)
  expect(moduleGraph(import.meta.path)).toBeNull()
})

const mib = 1024 * 1024

test.each([
  { why: 'once after the start', looks: [[0, 20]], times: [0] },
  {
    why: 'not while there is work',
    looks: [
      [100, 20],
      [200, 20],
      [201, 20],
    ],
    times: [2],
  },
  {
    why: 'again after work',
    looks: [
      [0, 20],
      [2_000, 20],
      [2_000, 20],
    ],
    times: [0, 2],
  },
  {
    why: 'not for a few probes',
    looks: [
      [0, 20],
      [1, 11],
      [2, 11],
      [3, 11],
    ],
    times: [0],
  },
  {
    why: 'again when much has come back, ever more seldom',
    looks: [
      [0, 20],
      [0, 20],
      [0, 20],
      [0, 20],
      [0, 20],
      [0, 20],
      [0, 20],
      [0, 20],
    ],
    times: [0, 1, 3, 7],
  },
] as const)('pages are given back $why', ({ looks, times }) => {
  const quiet = new QuietTimes(0)
  const given = looks.flatMap(([requests, fileMib], index) => {
    if (!quiet.look(requests, () => fileMib * mib)) return []
    quiet.gaveBack(10 * mib)
    return [index]
  })
  expect(given).toEqual([...times])
})

test('an idle gateway holds less than 45 MiB a few seconds after its start, and serves on', async () => {
  await using gateway = await startGatewayProcess({ via: 'executable' })
  const kib = (figure: string) => {
    const rollup = readFileSync(`/proc/${gateway.pid}/smaps_rollup`, 'utf8')
    return Number(new RegExp(`^${figure}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1])
  }
  const startedKib = kib('Anonymous')
  await poll('less than 45 MiB resident', async () => kib('Rss') < 45 * 1024)
  // Code that only the start has run is let go; what the kernel can read again from files is not counted here.
  await poll('a tenth less of its own', async () => kib('Anonymous') < startedKib * 0.9)
  expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
}, 20_000)
