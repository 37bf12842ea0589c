/**
 * Gives back the pages of the program that only its start or a busy time needed: half of what a quiet gateway
 * would hold resident. They are clean pages of the executable's file, so the kernel maps again whatever is used
 * later. Compiled code that ran once at the start goes as well; what else the heap holds is another matter
 * (idle-memory.ts).
 *
 * Pages are given back on Linux only, and only where the C library can be called; elsewhere, and whenever anything is
 * not as expected, they stay.
 */
import { closeSync, openSync, readFileSync, readSync, realpathSync } from 'node:fs'
import { residentFileBytes } from '../../runtime/resident-memory.ts'

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
/** After code was forgotten, what runs all the time is compiled again: the pages of the compiler are given back too. */
const settleMs = 600
/** Or so much has come back without work: collections touch pages of their own, and the first ones the most. */
const cameBackBytesMin = 4 * 1024 * 1024
/** That is looked at ever more seldom: at first after so many looks, then after twice as many. */
const firstPauseLooks = 1
const pauseLooksMax = 200

/** What decides when pages are given back. */
export class QuietTimes {
  #requestsAtLook: number
  #requestsAtLast: number | null = null
  #bytesAtLast = 0
  #pauseLooks = firstPauseLooks
  #looksLeft = 0

  constructor(requests: number) {
    this.#requestsAtLook = requests
  }

  /**
   * Whether now is the time: once after the start, then in each quiet time that follows work, or when much has come
   * back. `fileBytes` are those resident of files; they are asked for where it depends on them.
   */
  look(requests: number, fileBytes: () => number): boolean {
    const quiet = requests - this.#requestsAtLook <= quietRequestsMax
    this.#requestsAtLook = requests
    if (!quiet) return false
    if (this.#requestsAtLast === null || requests - this.#requestsAtLast >= workRequestsMin) {
      this.#pauseLooks = firstPauseLooks
    } else {
      if (--this.#looksLeft > 0 || fileBytes() - this.#bytesAtLast < cameBackBytesMin) return false
      this.#pauseLooks = Math.min(this.#pauseLooks * 2, pauseLooksMax)
    }
    this.#requestsAtLast = requests
    this.#looksLeft = this.#pauseLooks
    return true
  }

  /** So much is left of files. */
  gaveBack(fileBytes: number): void {
    this.#bytesAtLast = fileBytes
  }
}

/**
 * Gives back in quiet times (`QuietTimes`), and in the first of them what only the start has run (`forgetCode`), unless
 * there has been work before. Keeps no process alive.
 */
export function giveBackWhenQuiet(requestCount: () => number): void {
  const times = new QuietTimes(requestCount())
  let started = false
  let giver: Promise<() => void> | null = null
  const timer = setInterval(() => {
    if (!times.look(requestCount(), residentFileBytes)) return
    if (!started && requestCount() < workRequestsMin) forgetCode()
    started = true
    setTimeout(() => {
      giver ??= pageGiver()
      void giver.then((give) => {
        give()
        times.gaveBack(residentFileBytes())
      })
    }, settleMs).unref()
  }, lookEveryMs)
  timer.unref()
}

/**
 * Lets go of compiled code: a fifth of what a gateway holds after its start is code that ran once. What is called again
 * is compiled again, in a few milliseconds in all. Blocks for about 25 ms.
 */
function forgetCode(): void {
  // The engine keeps the code while a collection is under way: that one is brought to its end first.
  Bun.gc(true)
  Bun.shrink()
}

/** Resolves when it is done, or when there is nothing that can be done. Blocks for about 15 ms. */
export async function giveBackPages(): Promise<void> {
  const give = await pageGiver()
  give()
}

/**
 * What gives back the pages of this program, as often as it is called: to look for them takes memory and pages itself.
 * Where nothing can be given back it does nothing.
 */
async function pageGiver(): Promise<() => void> {
  const nothing = () => {}
  if (process.platform !== 'linux') return nothing
  try {
    const own = mappingsOf(readFileSync('/proc/self/smaps', 'utf8'), realpathSync('/proc/self/exe'))
    const ranges = cleanFileRanges(own, moduleGraph('/proc/self/exe'))
    const { dlopen } = await import('bun:ffi')
    for (const library of libraries) {
      try {
        const { symbols } = dlopen(library, {
          madvise: { args: ['usize', 'usize', 'int'], returns: 'int' },
        })
        return () => {
          for (const { start, end } of ranges) symbols.madvise(start, end - start, madvDontneed)
        }
      } catch {
        // Another C library, or none that may be called.
      }
    }
  } catch {
    // No /proc.
  }
  return nothing
}

const betweenMappings = /\n(?=[0-9a-f]+-[0-9a-f]+ )/

/** Those of one file. A library might be unloaded, and its addresses hold something else the next time. */
export function mappingsOf(smaps: string, path: string): string {
  const ofFile = (mapping: string) => mapping.slice(0, mapping.indexOf('\n')).endsWith(` ${path}`)
  return smaps.split(betweenMappings).filter(ofFile).join('\n')
}

interface AddressRange {
  readonly start: number
  readonly end: number
}

/** A part of the program's file, in bytes from its beginning. */
interface FilePart {
  readonly path: string
  readonly startBytes: number
  readonly endBytes: number
}

/**
 * The mappings of files that nothing was ever written to, and what of the module graph is mapped. A page that was
 * written, such as one with addresses that the loader has filled in, exists in memory alone and must not be forgotten.
 */
export function cleanFileRanges(smaps: string, graph: FilePart | null = null): AddressRange[] {
  const ranges: AddressRange[] = []
  for (const mapping of smaps.split(betweenMappings)) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (r[w-][x-]p) ([0-9a-f]+) \S+ [1-9]\d* +(\/.*)/.exec(mapping)
    if (!head || figure(mapping, 'Rss') < residentKibMin) continue
    const [start = 0, end = 0, offset = 0] = [head[1], head[2], head[4]].map((text) =>
      Number.parseInt(`${text}`, 16),
    )
    if (head[3]?.[1] === '-') {
      if (figure(mapping, 'Anonymous') === 0) ranges.push({ start, end })
    } else if (graph !== null && head[5] === graph.path) {
      // Whole pages, also of kernels that have larger ones.
      const from = Math.ceil(Math.max(start, start + graph.startBytes - offset) / pageBytesMax) * pageBytesMax
      const to = Math.floor(Math.min(end, start + graph.endBytes - offset) / pageBytesMax) * pageBytesMax
      if (to > from) ranges.push({ start: from, end: to })
    }
  }
  return ranges
}

const pageBytesMax = 64 * 1024

/** In KiB; -1 where the kernel does not say. */
function figure(mapping: string, name: string): number {
  return Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(mapping)?.[1] ?? -1)
}

/** Where the bundler has put the modules: a section that is mapped writable and that nobody writes to. */
const graphSection = '.bun'

/** Of a 64-bit little-endian ELF file; null for anything else, and for an executable without modules. */
export function moduleGraph(executable: string): FilePart | null {
  const file = openSync(executable, 'r')
  try {
    const read = (at: number, bytes: number): Buffer => {
      const into = Buffer.alloc(bytes)
      return into.subarray(0, readSync(file, into, 0, bytes, at))
    }
    const head = read(0, 64)
    if (head.readUInt32BE(0) !== 0x7f454c46 || head.readUInt16BE(4) !== 0x0201) return null
    const [entryBytes, entries, names] = [head.readUInt16LE(58), head.readUInt16LE(60), head.readUInt16LE(62)]
    const table = read(Number(head.readBigUInt64LE(40)), entryBytes * entries)
    const partAt = (index: number): { at: number; bytes: number } => ({
      at: Number(table.readBigUInt64LE(index * entryBytes + 24)),
      bytes: Number(table.readBigUInt64LE(index * entryBytes + 32)),
    })
    const nameTable = read(partAt(names).at, partAt(names).bytes).toString('latin1')
    for (let index = 0; index < entries; index++) {
      if (!nameTable.startsWith(`${graphSection}\0`, table.readUInt32LE(index * entryBytes))) continue
      const { at, bytes } = partAt(index)
      return { path: realpathSync(executable), startBytes: at, endBytes: at + bytes }
    }
    return null
  } finally {
    closeSync(file)
  }
}
