/** Clients and servers in the network of a container, which nothing outside can reach. */
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { documentedFetch } from '../support/api-document.ts'
import { poll } from '../support/gateway.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'
import type { Container } from './container.ts'

/** Starts a program of the machine in the container's network. */
export function inNetworkOf(container: Container, command: readonly string[]): RunningProcess {
  return startProcess({ command: ['nsenter', `--net=/proc/${container.pid}/ns/net`, ...command] })
}

export interface Door extends AsyncDisposable {
  fetch(path: string, init?: RequestInit): Promise<Response>
  admin(path: string, body?: unknown): Promise<Response>
  register(definition: { readonly name: string } & Readonly<Record<string, unknown>>): Promise<void>
  /** Calls a tool as a client of the Streamable HTTP face does; the whole answer as text. */
  callTool(server: string, tool: string, args: unknown): Promise<string>
}

/** A client on the container's own loopback, to which the admin API answers without a token. */
export async function openDoor(container: Container, directory: string): Promise<Door> {
  await container.process.line((line) => line.includes('listening'))
  const socket = join(directory, `door-${container.pid}`)
  const door = inNetworkOf(container, [process.execPath, join(import.meta.dir, 'door.ts'), socket, '6001'])
  await door.line((line) => line === 'open')
  chmodSync(socket, 0o600)
  const through: Door['fetch'] = (path, init) =>
    documentedFetch(`http://127.0.0.1:6001${path}`, { ...init, unix: socket })
  const admin: Door['admin'] = (path, body) =>
    through(`/admin${path}`, {
      ...(body !== undefined && {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    })
  return {
    fetch: through,
    admin,
    register: async (definition) => {
      const answer = await admin('/mcps', definition)
      if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
      await poll(`${definition.name} to connect`, async () => {
        const { status } = (await (await admin(`/mcps/${definition.name}`)).json()) as {
          status: { status: string; lastError: string }
        }
        if (status.status === 'error') throw new Error(status.lastError)
        return status.status === 'connected'
      })
    },
    callTool: (server, tool, args) => callTool(through, server, tool, args),
    [Symbol.asyncDispose]: () => door.kill(),
  }
}

async function callTool(
  through: Door['fetch'],
  server: string,
  tool: string,
  args: unknown,
): Promise<string> {
  const post = async (id: number, method: string, params: unknown, session: string) => {
    const answer = await through(`/mcp-proxy/${server}/stream`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(session !== '' && { 'mcp-session-id': session }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
    })
    return { text: await answer.text(), session: answer.headers.get('mcp-session-id') ?? '' }
  }
  const hello = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'door', version: '1' },
  }
  const { session } = await post(1, 'initialize', hello, '')
  const { text } = await post(2, 'tools/call', { name: tool, arguments: args }, session)
  return text
}
