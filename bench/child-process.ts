/** Processes under measurement: started with their output in a file, read from /proc, ended as a group. */
import { openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface StartOptions {
  readonly command: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Folder for `NAME.out` and `NAME.err`. */
  readonly directory: string
  readonly name: string
}

export interface Started {
  readonly pid: number
  readonly outPath: string
  readonly exited: Promise<number>
  /** Ends the process and everything it has started. */
  stop(): Promise<void>
}

const stopMs = 5_000
const groups = new Set<number>()
process.on('exit', () => {
  for (const pid of groups) signalGroup(pid, 'SIGKILL')
})
// A group of its own is out of reach of the terminal, and a signal alone would end this process without its exit.
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

export function start({ command, cwd, env, directory, name }: StartOptions): Started {
  const outPath = join(directory, `${name}.out`)
  const child = Bun.spawn([...command], {
    cwd: cwd ?? directory,
    env: { PATH: process.env['PATH'] ?? '', HOME: directory, ...env },
    stdin: 'ignore',
    stdout: openSync(outPath, 'w'),
    stderr: openSync(join(directory, `${name}.err`), 'w'),
    detached: true,
  })
  const { pid, exited } = child
  groups.add(pid)
  return {
    pid,
    outPath,
    exited,
    async stop() {
      child.kill('SIGTERM')
      await Promise.race([exited, Bun.sleep(stopMs)])
      signalGroup(pid, 'SIGKILL')
      await exited
      groups.delete(pid)
    },
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // Nobody left.
  }
}

/** What a process has printed so far, once it holds the pattern: its first group, or the whole match. */
export async function printed(started: Started, pattern: RegExp, patienceMs = 30_000): Promise<string> {
  let over = false
  void started.exited.then(() => {
    over = true
  })
  const untilMs = performance.now() + patienceMs
  for (;;) {
    const found = pattern.exec(readFileSync(started.outPath, 'utf8'))
    if (found) return found[1] ?? found[0]
    if (over || performance.now() > untilMs) {
      const words = readFileSync(started.outPath.replace(/out$/, 'err'), 'utf8').slice(-2000)
      throw new Error(`${started.outPath}: no ${pattern} (${over ? 'it ended' : 'too late'})\n${words}`)
    }
    await Bun.sleep(5)
  }
}

/** CPU time since the start in microseconds, by thread. */
export type CpuTimes = ReadonlyMap<number, number>

/** /proc/PID/stat counts in hundredths of a second on every platform that has /proc. */
const tickUs = 10_000

/**
 * The CPU times of a process, or null where there is no /proc. Exact where the kernel counts nanoseconds for each
 * thread; elsewhere one entry for the whole process in hundredths of a second, which is 2 % of a short run.
 */
export function cpuTimes(pid: number): CpuTimes | null {
  const times = new Map<number, number>()
  for (const thread of threadsOf(pid)) {
    const [ns] = textOf(`/proc/${pid}/task/${thread}/schedstat`)?.split(' ') ?? []
    if (ns !== undefined) times.set(Number(thread), Number(ns) / 1000)
  }
  if (times.size > 0) return times
  const fields = statOf(pid)
  return fields && new Map([[pid, (Number(fields[11]) + Number(fields[12])) * tickUs]])
}

/**
 * What a process has used from one reading to the next, in microseconds. A thread that has ended between them
 * counts for nothing: those that the runtime ends have been idle for seconds.
 */
export function cpuUsBetween(before: CpuTimes, after: CpuTimes): number {
  let us = 0
  for (const [thread, time] of after) us += time - (before.get(thread) ?? 0)
  return us
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/** Resident memory of one process in MiB, or null where there is no /proc. */
export function rssMib(pid: number): number | null {
  try {
    const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return kib === undefined ? null : Number(kib) / 1024
  } catch {
    return null
  }
}

/**
 * Resident memory of these processes together in MiB: what several of them have in common, such as the program itself,
 * counts once. Null where the kernel does not tell.
 */
export function sharedMib(pids: readonly number[]): number | null {
  try {
    const sum = pids.reduce((kibs, pid) => {
      const [, kib] = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? []
      return kibs + Number(kib)
    }, 0)
    return sum / 1024
  } catch {
    return null
  }
}

/** A process and all its descendants. */
export function treeOf(pid: number): number[] {
  const tree = [pid]
  for (const entry of readdirSync('/proc')) {
    if (/^\d+$/.test(entry) && Number(statOf(Number(entry))?.[1]) === pid) tree.push(...treeOf(Number(entry)))
  }
  return tree
}

/** The fields of /proc/PID/stat behind the command: state, parent, group … */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

/** A port that was free a moment ago, for programs that cannot pick one themselves. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = listener
  listener.stop(true)
  return port
}
