/** One worker as its supervisor sees it: a process of this program, a wire to it, and the lines of its log. */
import { type ChildProcess, spawn } from 'node:child_process'
import { reasonOf } from '../../errors.ts'
import { type Answers, Channel } from './channel.ts'
import type { OfSupervisor, OfWorker, WorkerMember } from './questions.ts'

export interface WorkerStart {
  readonly member: WorkerMember
  /** How this program is started as a worker. */
  readonly command: readonly [string, ...string[]]
  readonly environment: NodeJS.ProcessEnv
  readonly answers: Answers<OfSupervisor>
  /** Whether it writes to the standard output of the supervisor by itself. */
  readonly writesOutput: boolean
  /** Takes whole lines of its log. */
  log(lines: Buffer): void
  /** It is gone, for a reason in a few words. */
  ended(reason: string): void
}

export class WorkerProcess {
  readonly member: WorkerMember
  readonly channel: Channel<OfSupervisor, OfWorker>
  readonly startedAtMs = performance.now()
  /** Resolves when the process is gone, and everything it said has arrived. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  #look: ReturnType<typeof setTimeout> | null = null
  #over = false

  constructor({ member, command, environment, answers, writesOutput, log, ended }: WorkerStart) {
    this.member = member
    const [program, ...given] = command
    // In a session of its own: what a terminal sends to all that runs in it reaches the supervisor alone.
    const child = spawn(program, given, {
      detached: true,
      stdio: ['ignore', writesOutput ? 'inherit' : 'pipe', 'inherit', 'ipc'],
      serialization: 'json',
      env: environment,
    })
    this.#child = child
    this.channel = new Channel<OfSupervisor, OfWorker>(
      (message) => void child.send(message, ignored),
      answers,
    )
    child.on('message', (message) => this.channel.received(message))
    const lines = new WholeLines(log)
    child.stdout?.on('data', (piece: Buffer) => lines.add(piece))
    child.stdout?.on('error', () => {})
    const gone = Promise.withResolvers<void>()
    this.ended = gone.promise
    const end = (reason: string): void => {
      if (this.#over) return
      this.#over = true
      if (this.#look !== null) clearTimeout(this.#look)
      this.channel.close()
      lines.end()
      ended(reason)
      gone.resolve()
    }
    child.on('error', (error) => end(reasonOf(error)))
    // A child of its own could hold the pipe of its output open for longer than it lives.
    child.on('exit', (code, signal) => setTimeout(end, lastLinesMs, signal ?? `exit code ${code}`))
  }

  /**
   * Asks it from now on whether it lives, and calls `stuck` when it has not answered for long: the kernel would go on
   * giving it connections. A machine that stood still costs one look alone.
   */
  watch(stuck: () => void): void {
    let missed = 0
    const look = async (): Promise<void> => {
      try {
        await this.channel.ask('alive', null, aliveMs)
        missed = 0
      } catch {
        missed++
      }
      if (this.#over) return
      if (missed >= missedMax) stuck()
      else this.#look = setTimeout(() => void look(), lookEveryMs)
    }
    void look()
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

const lookEveryMs = 2_000
const aliveMs = 5_000
const missedMax = 4

/** What the process had written when it ended arrives within this. */
const lastLinesMs = 20

/** A wire that breaks is the end of the process, which is told by itself. */
function ignored(): void {}

/** A line of the log is no longer than that; what goes on without a break is passed on in pieces. */
const lineBytesMax = 4 * 1024 * 1024
const lineFeed = 10

/** Puts the output of a process together again into whole lines: pieces end anywhere. */
export class WholeLines {
  readonly #take: (lines: Buffer) => void
  #pieces: Buffer[] = []
  #bytes = 0

  /** `take` gets one or more whole lines, each with its line break. */
  constructor(take: (lines: Buffer) => void) {
    this.#take = take
  }

  add(piece: Buffer): void {
    const end = piece.lastIndexOf(lineFeed) + 1
    if (end > 0) {
      const whole = piece.subarray(0, end)
      this.#take(this.#pieces.length === 0 ? whole : Buffer.concat([...this.#pieces, whole]))
      this.#pieces = []
      this.#bytes = 0
    }
    if (end === piece.length) return
    this.#pieces.push(piece.subarray(end))
    this.#bytes += piece.length - end
    if (this.#bytes > lineBytesMax) this.end()
  }

  /** Nothing more comes: what has no end gets one. */
  end(): void {
    if (this.#bytes > 0) this.add(Buffer.from('\n'))
  }
}
