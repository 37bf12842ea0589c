/** What goes wrong on purpose, for real: one of these every ten seconds. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { RawClient } from '../../test/support/raw-client.ts'
import { requestText, SlowReader } from '../../test/support/slow-reader.ts'
import { printed, type Started, start } from '../child-process.ts'
import { openHttpSocket } from '../load/http-socket.ts'

const echoScript = resolve(import.meta.dir, '../echo-server.ts')

export interface FaultTargets {
  readonly url: string
  readonly pid: number
  readonly http: HttpUpstream
}

/** The HTTP server behind the gateway, which comes back on the port that it had. */
export class HttpUpstream {
  readonly #directory: string
  #process: Started | null = null
  port = 0

  constructor(directory: string) {
    this.#directory = directory
  }

  async start(): Promise<void> {
    const command = [process.execPath, echoScript, 'http', 'both', String(this.port)]
    this.#process = start({ command, directory: this.#directory, name: 'http-upstream' })
    this.port = Number(await printed(this.#process, /^(\d+)$/m))
  }

  async stop(): Promise<void> {
    await this.#process?.stop()
  }
}

/** The servers' processes; the watchdog is not one of them. */
export function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  return children
    .filter(
      (child) =>
        child !== '' && readFileSync(`/proc/${child}/cmdline`, 'utf8').match(/echo-server|raw-server/),
    )
    .map(Number)
}

function anyChild(pid: number): number | null {
  const children = childrenOf(pid)
  return children[Math.floor(Math.random() * children.length)] ?? null
}

function signal(pid: number | null, name: NodeJS.Signals): void {
  try {
    if (pid !== null) process.kill(pid, name)
  } catch {
    // It has ended by itself.
  }
}

type Fault = (targets: FaultTargets) => Promise<void>

export const faults: Readonly<Record<string, Fault>> = {
  'kill -9 a server': async ({ pid }) => signal(anyChild(pid), 'SIGKILL'),
  'stop a server for 3 s': async ({ pid }) => {
    const child = anyChild(pid)
    signal(child, 'SIGSTOP')
    await Bun.sleep(3_000)
    signal(child, 'SIGCONT')
  },
  'restart the HTTP server': async ({ http }) => {
    await http.stop()
    await Bun.sleep(1_000)
    await http.start()
  },
  '100 clients cut off in the middle of a call': async ({ url }) => {
    await Promise.all(Array.from({ length: 100 }, () => cutOff(url)))
  },
  '50 sessions left behind with open streams': async ({ url }) => {
    await Promise.all(Array.from({ length: 50 }, () => leaveBehind(url)))
  },
  'replace a definition': async ({ url }) => {
    const definition = {
      name: 'extra',
      transport: 'stdio',
      command: process.execPath,
      args: [echoScript, 'stdio'],
    }
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify(definition)
    const put = await fetch(`${url}/admin/mcps/extra`, { method: 'PUT', headers, body })
    if (put.status === 404) await fetch(`${url}/admin/mcps`, { method: 'POST', headers, body })
  },
  'a server that floods its output': async ({ url }) => {
    const script = 'for (;;) process.stdout.write("not JSON ".repeat(1000) + "\\n")'
    const headers = { 'content-type': 'application/json' }
    const definition = { name: 'flood', transport: 'stdio', command: process.execPath, args: ['-e', script] }
    await fetch(`${url}/admin/mcps`, { method: 'POST', headers, body: JSON.stringify(definition) })
    await Bun.sleep(3_000)
    await fetch(`${url}/admin/mcps/flood`, { method: 'DELETE' })
  },
  'a client that reads one byte a second': async ({ url }) => {
    const endpoint = new URL(`${url}/mcp-proxy/raw/stream`)
    const client = await RawClient.open(endpoint)
    const params = {
      name: 'torrent',
      arguments: { count: 800, bytes: 65_536 },
      _meta: { progressToken: 1 },
    }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })
    const reader = new SlowReader(endpoint, requestText(endpoint, client.headers(), body)).slowDown()
    await Promise.race([reader.cut, Bun.sleep(8_000)])
    reader.destroy()
    await client.close()
  },
  'garbage on the socket': async ({ url }) => {
    for (let n = 0; n < 50; n++) {
      const socket = await openHttpSocket(addressOf(url))
      socket
        .request(
          `POST /mcp-proxy/stdio/stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"id":${n}]]`,
        )
        .catch(() => {})
      await Bun.sleep(5)
      socket.destroy()
    }
  },
}

function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

const jsonHeaders = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }

async function openSession(url: string): Promise<Record<string, string>> {
  const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"soak","version":"1"}}}`
  const answer = await fetch(`${url}/mcp-proxy/stdio/stream`, {
    method: 'POST',
    headers: jsonHeaders,
    body: initialize,
  })
  await answer.text()
  return { ...jsonHeaders, 'mcp-session-id': answer.headers.get('mcp-session-id') ?? '' }
}

async function cutOff(url: string): Promise<void> {
  const headers = await openSession(url)
  const body =
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"x","delayMs":300}}}'
  const signalled = AbortSignal.timeout(100)
  await fetch(`${url}/mcp-proxy/stdio/stream`, { method: 'POST', headers, body, signal: signalled }).catch(
    () => {},
  )
}

async function leaveBehind(url: string): Promise<void> {
  const headers = { ...(await openSession(url)), accept: 'text/event-stream' }
  const gone = new AbortController()
  await fetch(`${url}/mcp-proxy/stdio/stream`, { headers, signal: gone.signal }).catch(() => {})
  gone.abort()
}
