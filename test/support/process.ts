/**
 * Real processes for tests: started in a group of their own, read line by line, never left behind.
 *
 * Whatever a test does, the group ends with it: on `stop`, on `kill`, on leaving an `await using`
 * block, and at the latest when the test runner exits.
 */
import type { Subprocess } from 'bun'

/** How long a process may take to end by itself after SIGTERM before it is killed. */
const stopMs = 15_000
/** Lines kept for `lines()`; older ones are dropped. */
const linesMax = 20_000

export interface ProcessOptions {
  readonly command: readonly string[]
  readonly cwd?: string
  /** The whole environment: nothing of the test runner's own is inherited. */
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: 'pipe' | 'ignore'
}

export interface RunningProcess extends AsyncDisposable {
  readonly pid: number
  readonly exited: Promise<number>
  /** Everything printed so far, both streams, in the order of arrival. */
  lines(): readonly string[]
  /** The first line, past or future, that the predicate takes. Rejects when the process ends first. */
  line(wanted: (line: string) => boolean, patienceMs?: number): Promise<string>
  write(text: string): void
  signal(signal: NodeJS.Signals): void
  /** SIGTERM, and SIGKILL to the group when that is not enough. Resolves with the exit code. */
  stop(): Promise<number>
  /** SIGKILL to the whole group, at once. */
  kill(): Promise<void>
}

const groups = new Set<number>()
process.on('exit', () => {
  for (const pid of groups) killGroup(pid)
})

/** Starts it. Fails the way `Bun.spawn` does when the command does not exist. */
export function startProcess(options: ProcessOptions): RunningProcess {
  const lines: string[] = []
  const watchers = new Set<() => void>()
  const child = Bun.spawn([...options.command], {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    env: { PATH: process.env['PATH'] ?? '', ...options.env },
    stdin: options.stdin ?? 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    detached: true,
  })
  groups.add(child.pid)
  const note = (line: string) => {
    lines.push(line)
    if (lines.length > linesMax) lines.shift()
    for (const watcher of watchers) watcher()
  }
  const drained = Promise.all([eachLine(child.stdout, note), eachLine(child.stderr, note)])
  let ended = false
  const exited = child.exited.then((code) => {
    ended = true
    groups.delete(child.pid)
    for (const watcher of watchers) watcher()
    return code
  })
  const line = (wanted: (line: string) => boolean, patienceMs = 20_000) =>
    waitForLine({ wanted, patienceMs, lines, watchers, drained, hasEnded: () => ended })
  return handleOf(child, exited, lines, line)
}

function handleOf(
  child: Subprocess<'pipe' | 'ignore', 'pipe', 'pipe'>,
  exited: Promise<number>,
  lines: readonly string[],
  line: RunningProcess['line'],
): RunningProcess {
  const kill = async () => {
    killGroup(child.pid)
    await exited
  }
  const stop = async () => {
    const patience = setTimeout(() => killGroup(child.pid), stopMs)
    child.kill('SIGTERM')
    const code = await exited
    clearTimeout(patience)
    return code
  }
  return {
    pid: child.pid,
    exited,
    lines: () => lines,
    line,
    write: (text) => {
      if (child.stdin && typeof child.stdin !== 'number') {
        child.stdin.write(text)
        child.stdin.flush()
      }
    },
    signal: (signal) => child.kill(signal),
    stop,
    kill,
    [Symbol.asyncDispose]: async () => {
      await stop()
    },
  }
}

interface LineWait {
  wanted(line: string): boolean
  readonly patienceMs: number
  readonly lines: readonly string[]
  readonly watchers: Set<() => void>
  readonly drained: Promise<unknown>
  hasEnded(): boolean
}

async function waitForLine(wait: LineWait): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const fail = (why: string) => reject(new Error(`${why}; it printed:\n${wait.lines.slice(-30).join('\n')}`))
  const look = () => {
    const found = wait.lines.find((line) => wait.wanted(line))
    if (found !== undefined) resolve(found)
    // Its last words may still be in the pipe.
    else if (wait.hasEnded()) void wait.drained.then(() => lookOnce())
  }
  const lookOnce = () => {
    const found = wait.lines.find((line) => wait.wanted(line))
    if (found !== undefined) resolve(found)
    else fail('the process ended without the expected line')
  }
  const patience = setTimeout(() => fail(`no such line within ${wait.patienceMs} ms`), wait.patienceMs)
  wait.watchers.add(look)
  look()
  try {
    return await promise
  } finally {
    clearTimeout(patience)
    wait.watchers.delete(look)
  }
}

async function eachLine(stream: ReadableStream<Uint8Array>, note: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    const pieces = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = pieces.pop() ?? ''
    for (const piece of pieces) note(piece)
  }
  if (rest !== '') note(rest)
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Already gone.
  }
}
