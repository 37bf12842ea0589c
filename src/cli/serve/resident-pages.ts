/**
 * Gives back the pages of the program that only its start or a busy time needed: half of what a quiet gateway
 * would hold resident. They are clean pages of the executable's file, so the kernel maps again whatever is used
 * later. What the heap holds is another matter (idle-memory.ts).
 *
 * On Linux only, and only where the C library can be called; elsewhere, and whenever anything is not as
 * expected, nothing happens.
 */
import { readFileSync } from 'node:fs'

/** From `sys/mman.h`: forget these pages; the next access reads the file again. */
const madvDontneed = 4
const libraries = ['libc.so.6', 'libc.musl-x86_64.so.1', 'libc.musl-aarch64.so.1']
/** Smaller mappings are not worth the call. */
const residentKibMin = 1024

/** How often it is asked whether the gateway is quiet. */
const lookEveryMs = 3_000
/** So few requests between two looks are the probes of a platform, not work that a pause would disturb. */
const quietRequestsMax = 10
/** Less work than this between two times leaves nothing behind that would be worth 15 ms. */
const workRequestsMin = 1_000

/** Gives back once after the start, and then in each quiet time that follows work. Keeps no process alive. */
export function giveBackWhenQuiet(requestCount: () => number): void {
  let countAtLook = requestCount()
  let countAtLast: number | null = null
  const timer = setInterval(() => {
    const count = requestCount()
    const quiet = count - countAtLook <= quietRequestsMax
    countAtLook = count
    if (!quiet || (countAtLast !== null && count - countAtLast < workRequestsMin)) return
    countAtLast = count
    void giveBackPages()
  }, lookEveryMs)
  timer.unref()
}

/** Resolves when it is done, or when there is nothing that can be done. Blocks for about 15 ms. */
export async function giveBackPages(): Promise<void> {
  if (process.platform !== 'linux') return
  try {
    const ranges = cleanFileRanges(readFileSync('/proc/self/smaps', 'utf8'))
    const { dlopen } = await import('bun:ffi')
    for (const library of libraries) {
      try {
        const { symbols, close } = dlopen(library, {
          madvise: { args: ['usize', 'usize', 'int'], returns: 'int' },
        })
        for (const { start, end } of ranges) symbols.madvise(start, end - start, madvDontneed)
        close()
        return
      } catch {
        // Another C library, or none that may be called.
      }
    }
  } catch {
    // No /proc.
  }
}

interface AddressRange {
  readonly start: number
  readonly end: number
}

/**
 * The mappings of files that nothing was ever written to. A page that was written, such as one with addresses
 * that the loader has filled in, exists in memory alone and must not be forgotten.
 */
export function cleanFileRanges(smaps: string): AddressRange[] {
  const ranges: AddressRange[] = []
  for (const mapping of smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p [0-9a-f]+ \S+ [1-9]\d* +\//.exec(mapping)
    if (!head || figure(mapping, 'Anonymous') !== 0 || figure(mapping, 'Rss') < residentKibMin) continue
    const [, start = '', end = ''] = head
    ranges.push({ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) })
  }
  return ranges
}

/** In KiB; -1 where the kernel does not say. */
function figure(mapping: string, name: string): number {
  return Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(mapping)?.[1] ?? -1)
}
