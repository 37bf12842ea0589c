/** What must not travel from the machine that builds to those that run: its paths, hosts and tokens. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { programPath, repository } from './repository.ts'

export interface Leak {
  readonly what: string
  readonly count: number
}

/** The files in which package managers keep a registry of their own. */
const registrySettings = ['npm config get registry', 'python3 -m pip config get global.index-url']

/** Paths and addresses of this machine, and the registry of its settings. */
function traces(): string[] {
  const hosts = registrySettings.flatMap((command) => {
    const [program = '', ...args] = command.split(' ')
    const path = programPath(program)
    // Without that package manager there is no registry of its settings either.
    if (path === null) return []
    const { exitCode, stdout } = Bun.spawnSync([path, ...args], { stderr: 'ignore' })
    const url = exitCode === 0 ? URL.parse(stdout.toString().trim()) : null
    return url === null ? [] : [url.hostname]
  })
  return [...new Set([repository, `${homedir()}/.bun`, `${homedir()}/.npm`, ...nameServers(), ...hosts])]
}

const places = traces()

function nameServers(): string[] {
  const text = readIfThere('/etc/resolv.conf')
  return [...text.matchAll(/^nameserver\s+(\S+)/gm)]
    .map(([, address]) => address ?? '')
    .filter((address) => !address.startsWith('127.'))
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** What credentials of registries and forges look like. */
const credentials =
  /npm_[A-Za-z0-9]{36}|gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20}|:_authToken\s*=\s*[A-Za-z0-9-]{8}/g

/**
 * Traces and credentials in `bytes` beyond those that `original` has already: the runtime inside an
 * executable knows the public registry by itself.
 */
export function leaksIn(bytes: Uint8Array, original?: Uint8Array): Leak[] {
  const beyond = (count: (all: Uint8Array) => number): number => {
    const found = count(bytes)
    return found === 0 || original === undefined ? found : found - count(original)
  }
  return [
    ...places.map((what) => ({ what, count: beyond((all) => countIn(all, what)) })),
    { what: 'a credential', count: beyond((all) => latin1(all).match(credentials)?.length ?? 0) },
  ].filter(({ count }) => count > 0)
}

function latin1(bytes: Uint8Array): string {
  return view(bytes).toString('latin1')
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function countIn(all: Uint8Array, what: string): number {
  const bytes = view(all)
  let count = 0
  for (let at = bytes.indexOf(what); at >= 0; at = bytes.indexOf(what, at + 1)) count++
  return count
}
