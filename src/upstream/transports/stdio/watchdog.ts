/**
 * Sees to it that no child outlives the gateway, not even by `kill -9` or the kernel's out-of-memory killer.
 *
 * How: this program is started once more, at the first child, as a process that does nothing but read the
 * group ids of all children from a pipe. When the gateway is gone, however that came about, the kernel
 * closes the pipe, and the watchdog ends every group that it still knows: TERM after a grace, then KILL,
 * all within 7 s. It is woken only when a child starts or ends.
 *
 * Why this way, and what it was compared with (measured on Linux x64):
 * - Another copy of this program needs nothing else installed, works in a distroless image, and shares its
 *   pages with the gateway: 33 MB resident, of which 3.5 MB are its own. `/bin/sh` would take 0.1 MB, but
 *   is missing where it matters and has no `sleep` of its own.
 * - PR_SET_PDEATHSIG reaches the direct child only, not the grandchild behind npx; it is bound to the
 *   thread that spawned, and cannot be set between fork and exec from here. The runtime's own switch for it
 *   (`--no-orphans`) would also end the gateway when the shell that started it goes away.
 * - The end of stdin alone ends well-behaved servers only; a reaper at the next start comes when somebody
 *   starts the gateway again, and may by then meet other processes under the old numbers.
 *
 * Covered: every process in the group of a child, whatever it ignores and whether or not the child itself
 * still lives. Not covered: a descendant that made a group or session of its own (setsid, a browser started
 * detached); it must notice by its closed pipes. A child started in the microseconds before the gateway's
 * own kill, before its number is on the pipe, only gets the end of its stdin.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { reasonOf } from '../../../errors.ts'
import { hiddenCommands, selfCommand } from '../../../runtime/self-command.ts'
import type { Log } from '../../../telemetry/log.ts'
import type { GroupWatch } from './stdio.ts'

const restartMinMs = 1_000
const restartMaxMs = 60_000

export class Watchdog implements GroupWatch {
  readonly #log: Log
  readonly #groups = new Set<number>()
  #process: ChildProcess | null = null
  #restartMs = restartMinMs
  #restart: ReturnType<typeof setTimeout> | null = null
  #closed = false

  constructor(log: Log) {
    this.#log = log
  }

  /** Process id of the watchdog, or null when none is needed yet. */
  get pid(): number | null {
    return this.#process?.pid ?? null
  }

  watch(groupId: number): void {
    this.#groups.add(groupId)
    if (this.#process !== null) this.#tell(`+${groupId}\n`)
    else if (this.#restart === null) this.#start()
  }

  forget(groupId: number): void {
    if (this.#groups.delete(groupId)) this.#tell(`-${groupId}\n`)
  }

  /** Lets the watchdog go; what it still knows is ended. */
  close(): void {
    this.#closed = true
    if (this.#restart !== null) clearTimeout(this.#restart)
    this.#process?.stdin?.end()
  }

  #tell(line: string): void {
    this.#process?.stdin?.write(line)
  }

  #start(): void {
    this.#restart = null
    if (this.#closed || this.#groups.size === 0) return
    const [command = '', ...args] = selfCommand(hiddenCommands.watchdog)
    // A session of its own: neither Ctrl-C in the gateway's terminal nor its hang-up must end the watchdog.
    const child = spawn(command, args, {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
      env: {},
    })
    this.#process = child
    child.on('error', (error) => this.#lost(child, reasonOf(error)))
    child.on('exit', (code, signal) => this.#lost(child, signal ?? `exit code ${code}`))
    child.stdin?.on('error', () => {})
    // It must not keep the gateway alive.
    child.unref()
    this.#tell([...this.#groups].map((groupId) => `+${groupId}\n`).join(''))
  }

  #lost(child: ChildProcess, reason: string): void {
    if (this.#process !== child) return
    this.#process = null
    if (this.#closed) return
    this.#log.warn({ reason }, 'the watchdog that ends children after a crash of the gateway is gone')
    this.#restart = setTimeout(() => this.#start(), this.#restartMs)
    this.#restart.unref()
    this.#restartMs = Math.min(this.#restartMs * 2, restartMaxMs)
  }
}
