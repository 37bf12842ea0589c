/**
 * Ends a child process together with everything it has started.
 *
 * A server is often a wrapper (npx, uvx, sh) whose grandchild does the work, so signals go to the whole
 * process group, also after its leader has exited. The number of a group is not reused while one member
 * lives; once it was seen empty it is never signalled again.
 *
 * Not covered: a descendant that left the group (setsid, its own job control). It loses its pipes and,
 * with a killed parent, must end by itself.
 */
import { readdir, readFile } from 'node:fs/promises'
import { errorCode } from '../../../errors.ts'

/** Longest wait for the kernel to take down a killed group: it can only be late, never refuse. */
const killWaitMs = 2_000
const pollMinMs = 10
const pollMaxMs = 250
/** From this poll interval on the members are looked at one by one, which costs a walk through /proc. */
const inspectMs = 80

export interface ProcessGroup {
  /** The process id of its leader. */
  readonly id: number
  /** True until the last member is gone. */
  alive(): boolean
  /**
   * Waits `graceMs` for the group to end by itself (its input was closed), sends TERM, waits `graceMs`,
   * sends KILL. Resolves with false when a member still lives after that (one in an uninterruptible
   * call). Takes at most two graces and two seconds.
   */
  stop(graceMs: number): Promise<boolean>
}

export function processGroup(id: number): ProcessGroup {
  let gone = false

  function alive(): boolean {
    if (!gone) gone = !signal(0)
    return !gone
  }

  /** False when nobody is there to receive it. */
  function signal(name: NodeJS.Signals | 0): boolean {
    try {
      process.kill(-id, name)
      return true
    } catch (thrown) {
      // EPERM: members under another user (setuid) exist, but are out of reach.
      return errorCode(thrown) === 'EPERM'
    }
  }

  async function goneWithin(waitMs: number): Promise<boolean> {
    const deadlineMs = performance.now() + waitMs
    for (let intervalMs = pollMinMs; alive(); intervalMs = Math.min(intervalMs * 2, pollMaxMs)) {
      if (intervalMs >= inspectMs && !(await hasLivingMember(id))) gone = true
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0) return false
      await Bun.sleep(Math.min(intervalMs, leftMs))
    }
    return true
  }

  async function stop(graceMs: number): Promise<boolean> {
    if (await goneWithin(graceMs)) return true
    signal('SIGTERM')
    // A stopped process handles TERM only once it runs again.
    signal('SIGCONT')
    if (await goneWithin(graceMs)) return true
    signal('SIGKILL')
    return goneWithin(killWaitMs)
  }

  return { id, alive, stop }
}

/**
 * False when the group holds only zombies: orphans that process 1 is slow to reap, or never reaps in a
 * container without an init. Signals still find them, yet there is nothing left to end.
 */
async function hasLivingMember(groupId: number): Promise<boolean> {
  try {
    for (const entry of await readdir('/proc')) {
      if (!/^\d+$/.test(entry)) continue
      const fields = await readFile(`/proc/${entry}/stat`, 'utf8').then(afterCommand, () => [])
      if (Number(fields[2]) === groupId && fields[0] !== 'Z' && fields[0] !== 'X') return true
    }
    return false
  } catch {
    return true
  }
}

/** State, parent, group …: what follows the command, which may itself hold spaces and parentheses. */
function afterCommand(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
