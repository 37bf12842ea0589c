/** The official SDK clients behind one interface, so that one test drives them all. */
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as StreamableHttpV2,
} from '@modelcontextprotocol/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as StreamableHttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'

/** What a test asks of a connected client. Results are what the SDK hands out, as plain values. */
export interface SdkClient {
  greeting(): unknown
  listTools(): Promise<{ tools: { name: string }[] }>
  callTool(call: { name: string; arguments: Record<string, unknown> }): Promise<unknown>
  listResources(): Promise<{ resources: { uri: string }[] }>
  listResourceTemplates(): Promise<unknown>
  readResource(params: { uri: string }): Promise<unknown>
  listPrompts(): Promise<{ prompts: { name: string }[] }>
  getPrompt(params: { name: string; arguments?: Record<string, string> }): Promise<unknown>
  complete(params: CompleteParams): Promise<unknown>
  close(): Promise<void>
}

export interface CompleteParams {
  ref: { type: 'ref/prompt'; name: string } | { type: 'ref/resource'; uri: string }
  argument: { name: string; value: string }
  context?: { arguments: Record<string, string> }
}

/** How a client gets to a server. */
export type Way =
  | { readonly over: 'stdio'; readonly command: readonly string[]; readonly env?: Record<string, string> }
  | { readonly over: 'sse' | 'streamable-http'; readonly url: URL }

/** Which SDK, and which face of the gateway it is made for. */
export const sdkClients = [
  { sdk: '1.x', face: 'stream', over: 'streamable-http', connect: connectV1 },
  { sdk: '1.x', face: 'sse', over: 'sse', connect: connectV1 },
  { sdk: '2.x, legacy', face: 'stream', over: 'streamable-http', connect: connectV2 },
] as const

const identity = { name: 'e2e', version: '1.0.0' }

/** Connects the 1.x client. */
export async function connectV1(way: Way): Promise<SdkClient> {
  const client = new ClientV1(identity, { capabilities: {} })
  // The transports type `sessionId` as `string | undefined`, which exact optional properties refuse.
  await client.connect(transportV1(way) as Transport)
  return {
    greeting: () => ({
      server: client.getServerVersion(),
      capabilities: client.getServerCapabilities(),
      instructions: client.getInstructions(),
    }),
    listTools: () => client.listTools(),
    callTool: (call) => client.callTool(call),
    listResources: () => client.listResources(),
    listResourceTemplates: () => client.listResourceTemplates(),
    readResource: (params) => client.readResource(params),
    listPrompts: () => client.listPrompts(),
    getPrompt: (params) => client.getPrompt(params),
    complete: (params) => client.complete(params),
    close: () => client.close(),
  }
}

function transportV1(way: Way) {
  if (way.over === 'stdio') {
    const [command = '', ...args] = way.command
    return new StdioClientTransport({
      command,
      args,
      stderr: 'ignore',
      env: { PATH: process.env['PATH'] ?? '', ...way.env },
    })
  }
  return way.over === 'sse' ? new SSEClientTransport(way.url) : new StreamableHttpV1(way.url)
}

/** Connects the 2.x client the way the revisions before 2026-07-28 want it. */
export async function connectV2(way: Way): Promise<SdkClient> {
  if (way.over !== 'streamable-http') throw new Error(`the 2.x client is not driven over ${way.over} here`)
  const client = new ClientV2(identity, { capabilities: {}, versionNegotiation: { mode: 'legacy' } })
  await client.connect(new StreamableHttpV2(way.url))
  return {
    greeting: () => ({
      server: client.getServerVersion(),
      capabilities: client.getServerCapabilities(),
      instructions: client.getInstructions(),
    }),
    listTools: () => client.listTools(),
    callTool: (call) => client.callTool(call),
    listResources: () => client.listResources(),
    listResourceTemplates: () => client.listResourceTemplates(),
    readResource: (params) => client.readResource(params),
    listPrompts: () => client.listPrompts(),
    getPrompt: (params) => client.getPrompt(params),
    complete: (params) => client.complete(params),
    close: () => client.close(),
  }
}
