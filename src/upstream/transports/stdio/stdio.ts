/**
 * The wire to an MCP server that runs as a child process: one JSON-RPC message per line.
 *
 * The child leads a process group of its own and is started without a shell. Its end is judged by the
 * exit of the leader, not by the end of its stdout, which a grandchild may hold open for ever; what the
 * pipe still holds at that moment is read first, so that a server which answers and exits loses nothing.
 * A pipe is here what a server has for one; for stdin and stdout it is a socket (socket-pair.ts).
 *
 * Spec: 2025-11-25 and 2026-07-28, Transports, stdio. Cases: test/upstream/transports/stdio/stdio.test.ts
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import { GatewayError, resultTooLargeError } from '../../../errors.ts'
import { batchMessagesMax } from '../../../protocol/jsonrpc.ts'
import { lengthOf, type MessagePieces, textOf } from '../../../protocol/large-answer.ts'
import { createMask, type Mask } from '../../../telemetry/redaction.ts'
import { costs, FloodGuard } from '../flood-guard.ts'
import { isOverfullBatch, looksLikeObject, messagesIn } from '../message-text.ts'
import { droppedNote, type Outgoing, type TransportReceiver, type UpstreamTransport } from '../transport.ts'
import { ChildInput } from './child-input.ts'
import { ChildOutput } from './child-output.ts'
import { ServerNoise } from './noise.ts'
import { ProcessExit } from './process-exit.ts'
import { type ProcessGroup, processGroup } from './process-group.ts'
import { silenceOf } from './remedy.ts'
import { type SocketPair, socketPair } from './socket-pair.ts'
import { spawnFailure } from './spawn-failure.ts'

/** Told which process groups must not outlive the gateway (`upstream/transports/stdio/watchdog.ts`). */
export interface GroupWatch {
  watch(groupId: number): void
  forget(groupId: number): void
}

/** Told of processes as they come and go. */
export interface ProcessWatch {
  started(pid: number): void
  ended(pid: number, exitCode: number | null, signal: string | null): void
}

export interface StdioOptions {
  readonly command: string
  readonly args: readonly string[]
  /** The whole environment of the child; see `childEnvironment`. */
  readonly env: Readonly<Record<string, string>>
  /** null takes the gateway's own. */
  readonly cwd: string | null
  /** Longest line from the server; a longer one is skipped and its call fails. */
  readonly lineBytesMax: number
  /** What may wait for a server that does not read its input, in characters. */
  readonly inputQueueCharsMax: number
  /** Wait after closing stdin, and again after TERM. At most 4,000, so that a stop ends within 10 s. */
  readonly stopGraceMs: number
  /** Values that are masked in noise and errors, such as those of the definition's `env`. */
  readonly secrets: readonly string[]
  readonly groupWatch: GroupWatch | null
  readonly processWatch?: ProcessWatch | null
}

/** How long the pipes of a server that has exited are still read. */
const drainMs = 200
/** How long a server that closed one of its pipes has to exit, which explains more than the pipe does. */
const exitWaitMs = 500
const byteOrderMark = 0xfeff
const echoes = 'The program sends back what it is sent, as no MCP server does: check command and args.'

export function createStdioTransport(options: StdioOptions): UpstreamTransport {
  return new StdioTransport(options)
}

class StdioTransport implements UpstreamTransport {
  readonly attributes = false
  readonly #options: StdioOptions
  readonly #mask: Mask
  #receiver: TransportReceiver | null = null
  #stderr: Readable | null = null
  #group: ProcessGroup | null = null
  #noise: ServerNoise | null = null
  #input: ChildInput | null = null
  #output: ChildOutput | null = null
  #talk: FloodGuard | null = null
  /** The first message, until the first line of the server. */
  #firstSent: string | null = null
  #heard = false
  #exited = false
  #stopping: Promise<void> | null = null

  constructor(options: StdioOptions) {
    this.#options = options
    this.#mask = createMask(options.secrets)
  }

  get pid(): number | null {
    return this.#group?.id ?? null
  }

  silence(): string {
    const noise = this.#noise
    return noise === null ? '' : silenceOf(noise.lastLines(), basename(this.#options.command))
  }

  async open(receiver: TransportReceiver, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw startGivenUpError()
    try {
      await this.#start(receiver, signal)
    } catch (thrown) {
      this.#receiver = null
      this.#destroyPipes()
      throw thrown instanceof GatewayError ? thrown : await spawnFailure(this.#options, this.#mask, thrown)
    }
  }

  async #start(receiver: TransportReceiver, signal: AbortSignal): Promise<void> {
    const { inputQueueCharsMax, lineBytesMax } = this.#options
    const { budget } = receiver
    const input = new ChildInput(inputQueueCharsMax, () => this.#pipeBroke('input'))
    const output = new ChildOutput(lineBytesMax, {
      listening: () => this.#receiver !== null,
      line: (text) => this.#line(text),
      large: (pieces) => this.#large(pieces),
      noise: (text, remark) => this.#noise?.stdout(text, remark),
      unasked: (units) => this.#receiver?.unasked(units),
      unfinished: (bytes) => budget.unfinished.hold(this, this.#receiver === null ? 0 : bytes),
      answerTooLarge: (requestId) => this.#answerTooLarge(requestId),
      ended: () => this.#pipeBroke('output'),
    })
    this.#input = input
    this.#output = output
    const child = await this.#spawn(input, output, signal)
    // Before the first await: a spawn error is emitted in the next tick.
    const started = new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.on('error', reject)
    })
    // Without descriptors left there are no streams either; the error that says so is still to come.
    if (child.pid !== undefined && child.stderr !== null)
      this.#attach(child, child.pid, child.stderr, receiver)
    await started
  }

  /** Resolves in the turn in which the child was started. */
  async #spawn(input: ChildInput, output: ChildOutput, signal: AbortSignal): Promise<ChildProcess> {
    const { command, args, env, cwd } = this.#options
    const pairs: SocketPair[] = []
    try {
      for (const end of [input, output]) {
        const pair = await socketPair(end.handlers)
        end.attach(pair.own)
        pairs.push(pair)
      }
      if (signal.aborted) throw startGivenUpError()
      return spawn(command, args, {
        env,
        detached: true,
        stdio: [...pairs.map(({ inherited }) => inherited), 'pipe'],
        ...(cwd === null ? {} : { cwd }),
      })
    } finally {
      for (const pair of pairs) pair.release()
    }
  }

  #attach(child: ChildProcess, pid: number, stderr: Readable, receiver: TransportReceiver): void {
    this.#stderr = stderr
    this.#receiver = receiver
    this.#group = processGroup(pid)
    const { groupWatch, processWatch } = this.#options
    groupWatch?.watch(pid)
    processWatch?.started(pid)
    const talk = new FloodGuard(stderr, receiver.budget)
    this.#talk = talk
    const noise = new ServerNoise(this.#mask, (line) => this.#receiver?.noise(line))
    this.#noise = noise
    stderr.on('data', (chunk: Buffer) => {
      noise.push(chunk)
      talk.charge(chunk.length)
    })
    stderr.on('error', () => {})
    child.once('exit', (code, signal) => {
      processWatch?.ended(pid, code, signal)
      void this.#exit(stderr, code, signal)
    })
  }

  #line(line: string): void {
    const receiver = this.#receiver
    if (receiver === null) return
    // Some runtimes write a byte order mark first, and PowerShell one before each line; JSON knows none.
    const text = line.charCodeAt(0) === byteOrderMark ? line.slice(1) : line
    if (this.#isEcho(text)) this.#fail(new GatewayError('UPSTREAM_ERROR', echoes))
    else if (looksLikeObject(text)) receiver.message(text, null)
    else {
      const messages = messagesIn(text)
      if (messages === null) {
        this.#noise?.stdout(text)
        receiver.unasked(text.length + costs.line)
      } else for (const message of messages) receiver.message(message, null)
    }
  }

  /** True when the first line is the very text that was sent first: `cat`, a shell that echoes, a terminal. */
  #isEcho(text: string): boolean {
    const first = this.#firstSent
    if (first === null) return false
    this.#firstSent = null
    this.#heard = true
    return text === first
  }

  #large(pieces: MessagePieces): void {
    const receiver = this.#receiver
    if (receiver === null || receiver.large(pieces, null)) return
    if (!isOverfullBatch(pieces)) {
      this.#line(textOf(pieces))
      return
    }
    receiver.unasked(lengthOf(pieces))
    this.#noise?.remark(`(a batch of more than ${batchMessagesMax} messages was left out)`)
  }

  #answerTooLarge(requestId: number | null): void {
    if (requestId === null) return
    const error = resultTooLargeError(this.#options.lineBytesMax, 'limits.line_bytes_max')
    this.#receiver?.requestFailed(requestId, error)
  }

  send(outgoing: Outgoing): void {
    if (this.#receiver === null || this.#input === null) return
    if (!this.#heard) this.#firstSent ??= outgoing.text
    if (this.#input.write(outgoing.text)) return
    if (outgoing.requestId === null) {
      this.#noise?.remark(droppedNote(outgoing))
      return
    }
    const details = 'The server does not read its input; try again later.'
    this.#receiver.requestFailed(outgoing.requestId, new GatewayError('IN_FLIGHT_EXHAUSTED', details))
  }

  /** Stdio carries the version in the messages alone. */
  initialized(): void {}

  /** A stdio server has no session apart from its process. */
  resetSession(): void {}

  /** One channel for all requests: a cancel is a message. */
  abort(): void {}

  pause(): void {
    if (!this.#exited) this.#output?.pause()
  }

  resume(): void {
    this.#output?.resume()
  }

  async #exit(stderr: Readable, code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    this.#exited = true
    this.#output?.resume()
    this.#talk?.stop()
    await Promise.race([Promise.all([this.#output?.ended, ended(stderr)]), Bun.sleep(drainMs)])
    const { command, args } = this.#options
    const ending = { program: basename(command), args, exitCode: code, signal }
    this.#fail(new ProcessExit(ending, this.#noise?.reason(signal !== null) ?? ''))
  }

  #pipeBroke(which: 'input' | 'output'): void {
    if (this.#exited || this.#receiver === null) return
    setTimeout(() => {
      if (this.#exited) return
      const said = this.#noise?.reason() ?? ''
      const what = `The server closed its ${which} and runs on${said === '' ? '' : `: ${said}`}. Have it stay in the foreground and speak MCP on stdin and stdout.`
      this.#fail(new GatewayError('UPSTREAM_CLOSED', what))
    }, exitWaitMs)
  }

  #fail(error: GatewayError): void {
    const receiver = this.#receiver
    if (receiver === null) return
    this.#receiver = null
    receiver.closed(error)
    // A wrapper that died leaves its grandchildren behind.
    void this.close()
  }

  close(): Promise<void> {
    this.#receiver = null
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const group = this.#group
    if (group === null) return
    // What a stopping server still prints must not block its exit on a full pipe.
    this.#output?.resume()
    this.#talk?.stop()
    this.#input?.end()
    await group.stop(this.#options.stopGraceMs)
    this.#destroyPipes()
    this.#options.groupWatch?.forget(group.id)
  }

  #destroyPipes(): void {
    this.#input?.destroy()
    this.#output?.destroy()
    this.#stderr?.destroy()
  }
}

function startGivenUpError(): GatewayError {
  return new GatewayError('UPSTREAM_CLOSED', 'The start of the server was given up.')
}

function ended(stream: Readable): Promise<void> {
  if (stream.readableEnded || stream.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    stream.once('end', resolve)
    stream.once('close', resolve)
  })
}
