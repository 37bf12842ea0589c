/** The one place that writes to standard output: what cannot be written is an error, and a reader that has left is none. */
import { readFileSync, readlinkSync, writeSync } from 'node:fs'
import { CommandError, errorCode, systemReason } from '../../errors.ts'

const descriptor = 1
/** Between two tries where the reader has no room for more. */
const fullMs = 5

let closed: boolean | null = null
let left = false

/** Prints a text and a line break. Throws a CommandError where it cannot be written; does nothing once its reader has left. */
export function print(text: string): void {
  printAsIs(`${text}\n`)
}

/** As `print`, without a line break. */
export function printAsIs(text: string): void {
  closed ??= isClosed()
  if (closed) throw new CommandError('cannot write the output: standard output is closed')
  const bytes = Buffer.from(text)
  let written = 0
  while (written < bytes.length && !left) written += writtenOf(bytes.subarray(written))
}

/** True once whoever read the output has closed it, as far as a write has told. */
export function readerHasLeft(): boolean {
  return left
}

/** `poll` on Linux and macOS: what is told without being asked for. */
const pollError = 0x8
const pollHangUp = 0x10
const lookEveryMs = 500
const libraries = ['libc.so.6', 'libc.musl-x86_64.so.1', 'libc.musl-aarch64.so.1', 'libSystem.B.dylib']

/**
 * For a command that goes on and on: ends this process once nobody reads its output any more, as a write would tell, but
 * before there is something to write. Where the system cannot be asked, the next write tells.
 */
export async function endWithReader(): Promise<void> {
  const { dlopen, ptr } = await import('bun:ffi')
  for (const library of libraries)
    try {
      const { symbols } = dlopen(library, { poll: { args: ['ptr', 'u64', 'int'], returns: 'int' } })
      const request = new DataView(new ArrayBuffer(8))
      setInterval(() => {
        request.setInt32(0, descriptor, true)
        request.setInt32(4, 0, true)
        const told = symbols.poll(ptr(request), 1, 0)
        if (told > 0 && (request.getInt16(6, true) & (pollError | pollHangUp)) !== 0) process.exit(0)
      }, lookEveryMs).unref()
      return
    } catch {
      // Another C library.
    }
}

function writtenOf(bytes: Uint8Array): number {
  try {
    return writeSync(descriptor, bytes)
  } catch (thrown) {
    const code = errorCode(thrown)
    if (code === 'EPIPE') left = true
    else if (code === 'EAGAIN') Bun.sleepSync(fullMs)
    else throw new CommandError(`cannot write the output: ${systemReason(thrown)}`)
    return 0
  }
}

/**
 * Whether this process began without a standard output (`>&-`). The runtime then opens `/dev/null` in its place, for
 * itself alone: what was inherited never has the mark for that (`O_CLOEXEC`).
 */
function isClosed(): boolean {
  try {
    if (readlinkSync(`/proc/self/fd/${descriptor}`) !== '/dev/null') return false
    const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8')
    const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? '0', 8)
    return (flags & 0o2000000) !== 0
  } catch {
    // No /proc.
    return false
  }
}
