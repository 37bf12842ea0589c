/** Who has the port that the gateway could not get. Asked only then; the gateway tells the network nothing for it. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { isObject } from '../../protocol/json.ts'
import { hiddenCommands } from '../../runtime/self-command.ts'
import { localUrl } from '../configuration.ts'

const askMsMax = 1_000

/**
 * ` by another compozy mcp-proxy (pid 4711)`, as far as it can be found out; empty where it is no compozy, or does not
 * answer.
 */
export async function portHolder(host: string, port: number): Promise<string> {
  const base = localUrl({ host, port })
  if (base === null || !(await isCompozy(base))) return ''
  const pid = listenerPid(port)
  return ` by another compozy mcp-proxy${pid === null ? '' : ` (pid ${pid})`}`
}

/** A path that no gateway has: its refusal is in words and a form of our own. */
async function isCompozy(base: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(askMsMax)
    const answer = await fetch(`${base}/who-is-there`, { redirect: 'manual', signal })
    const body: unknown = await answer.json()
    return isObject(body) && body['code'] === 'NOT_FOUND' && /MCP server/.test(String(body['details']))
  } catch {
    return false
  }
}

/** The process that listens on a TCP port of this machine; null where the system does not tell this user. */
function listenerPid(port: number): number | null {
  try {
    const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
    // Local address, remote address, state (0A: listening) …, inode.
    const row = new RegExp(`^\\s*\\d+: [0-9A-F]+:${hexPort} [0-9A-F]+:0000 0A (?:\\S+\\s+){5}(\\d+)`, 'm')
    const inodes = ['tcp', 'tcp6'].flatMap(
      (table) => row.exec(readFileSync(`/proc/net/${table}`, 'utf8'))?.[1] ?? [],
    )
    const sockets = new Set(inodes.map((inode) => `socket:[${inode}]`))
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    const found = pids.find((pid) => openFiles(pid).some((target) => sockets.has(target)))
    return found === undefined ? null : supervisorOf(Number(found))
  } catch {
    return null
  }
}

/** Of a worker, who would start it again; anything else is itself. */
function supervisorOf(pid: number): number {
  if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(hiddenCommands.worker)) return pid
  return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? pid)
}

/** The files that the process has open which listens on a TCP port of this machine; none where the system does not tell. */
export function filesOfListener(port: number): string[] {
  const pid = listenerPid(port)
  return pid === null ? [] : openFiles(String(pid))
}

/** What the descriptors of a process lead to; none for a process of somebody else's. */
function openFiles(pid: string): string[] {
  try {
    const folder = `/proc/${pid}/fd`
    return readdirSync(folder).map((descriptor) => readlinkSync(`${folder}/${descriptor}`))
  } catch {
    return []
  }
}
