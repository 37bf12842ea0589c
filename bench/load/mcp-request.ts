/** The HTTP requests of an MCP client, as ready texts. */
import type { Target } from './http-socket.ts'

export type Era = 'legacy' | 'modern'

/** Where to call, and as whom. */
export interface Endpoint {
  /** The Streamable HTTP URL, or with `face: 'sse'` the URL of the event stream. */
  readonly url: string
  readonly face: 'stream' | 'sse'
  readonly token: string | null
  /** The tool that is called; `echo` when left out. */
  readonly tool?: string
}

const LEGACY_VERSION = '2025-06-18'
const MODERN_VERSION = '2026-07-28'
const clientInfo = { name: 'bench', version: '1' }

export const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 'init',
  method: 'initialize',
  params: { protocolVersion: LEGACY_VERSION, capabilities: {}, clientInfo },
})
export const INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}'

/** A `tools/call`, cut at the place of its id. */
export interface CallText {
  readonly before: string
  readonly after: string
}

/** Arguments are JSON text. */
export function callText(era: Era, argumentsText: string, tool = 'echo'): CallText {
  const meta =
    era === 'legacy'
      ? ''
      : `,"_meta":${JSON.stringify({
          'io.modelcontextprotocol/protocolVersion': MODERN_VERSION,
          'io.modelcontextprotocol/clientInfo': clientInfo,
          'io.modelcontextprotocol/clientCapabilities': {},
        })}`
  return {
    before: '{"jsonrpc":"2.0","id":',
    after: `,"method":"tools/call","params":{"name":"${tool}","arguments":${argumentsText}${meta}}}`,
  }
}

/** The headers of a call, for any load generator. */
export function callHeaders(
  endpoint: Endpoint,
  era: Era,
  sessionId: string | null,
): Readonly<Record<string, string>> {
  return {
    ...baseHeaders(endpoint),
    ...(era === 'modern'
      ? {
          'MCP-Protocol-Version': MODERN_VERSION,
          'Mcp-Method': 'tools/call',
          'Mcp-Name': endpoint.tool ?? 'echo',
        }
      : { 'MCP-Protocol-Version': LEGACY_VERSION }),
    ...(sessionId === null ? {} : { 'Mcp-Session-Id': sessionId }),
  }
}

export function baseHeaders({ token }: Endpoint): Readonly<Record<string, string>> {
  return {
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
    ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
  }
}

export function targetOf(url: string): Target & { readonly path: string } {
  const { hostname, port, pathname, search } = new URL(url)
  return { host: hostname, port: Number(port), path: pathname + search }
}

/** Everything of a POST that does not change from call to call. */
export function postHead(url: string, headers: Readonly<Record<string, string>>): string {
  const { host, port, path } = targetOf(url)
  return `POST ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n${lines(headers)}Content-Length: `
}

/** The whole POST; the body must be ASCII. */
export function post(head: string, body: string): string {
  return `${head}${body.length}\r\n\r\n${body}`
}

export function bodyless(
  method: 'GET' | 'DELETE',
  url: string,
  headers: Readonly<Record<string, string>>,
): string {
  const { host, port, path } = targetOf(url)
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n${lines(headers)}\r\n`
}

function lines(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
}
