/** What the kernel knows about a process, for tests that look for what was left behind. Linux only. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Resident memory in MiB, pages of files included; NaN once the process is gone. */
export function rssMib(pid: number): number {
  return mibOf(pid, 'VmRSS')
}

/**
 * Resident memory in MiB that the process has made itself; NaN once the process is gone. Pages of its program come
 * and go with what runs and with the memory of the machine, and are nothing that anybody left.
 */
export function ownMemoryMib(pid: number): number {
  return mibOf(pid, 'RssAnon')
}

function mibOf(pid: number, field: 'VmRSS' | 'RssAnon'): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024
  } catch {
    return Number.NaN
  }
}

/** Open descriptors; NaN once the process is gone. */
export function descriptorCount(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return Number.NaN
  }
}

/** Whether this process has a connection over IPv4 that comes from this port of the machine. */
export function hasConnectionFrom(pid: number, port: number): boolean {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const inodes = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, from, , , , , , , , inode]) => (from?.endsWith(local) === true ? [`socket:[${inode}]`] : []))
  return readdirSync(`/proc/${pid}/fd`).some((fd) => inodes.includes(linkOf(`/proc/${pid}/fd/${fd}`)))
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

/** Every process below this one, in no order. Zombies count: somebody forgot to reap them. */
export function descendants(root: number): number[] {
  const childrenOf = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    const parent = /^\d+$/.test(entry) ? Number(statOf(Number(entry))?.[1]) : Number.NaN
    if (!Number.isNaN(parent)) childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(entry)])
  }
  const found = [root]
  for (const pid of found) found.push(...(childrenOf.get(pid) ?? []))
  return found.slice(1)
}

/** The processes of this machine that were started with exactly these words. */
export function processesOf(...words: readonly string[]): number[] {
  const wanted = `${words.join('\0')}\0`
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && commandLine(entry) === wanted)
    .map(Number)
}

/** The processes of this machine whose HOME is this directory; none where the kernel does not say. */
export function processesAtHome(directory: string): number[] {
  if (!existsSync('/proc/self/environ')) return []
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && environmentOf(entry).includes(`HOME=${directory}`))
    .map(Number)
}

/** Empty for a zombie, and for a process of somebody else's. */
function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    return []
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** True while the process exists and is no zombie. */
export function alive(pid: number): boolean {
  const state = statOf(pid)?.[0]
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** State, parent, group …: what follows the command, which may itself hold spaces and parentheses. */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}
