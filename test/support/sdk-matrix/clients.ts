/** The clients of the matrix: both SDKs behind one interface, in every mode that a revision can be chosen in. */
import {
  type ClientOptions,
  Client as ClientV2,
  LOG_LEVEL_META_KEY,
  StreamableHTTPClientTransport as StreamableV2,
} from '@modelcontextprotocol/client'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as StreamableV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport as TransportV1 } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'

import { qualifyUri, readQualifiedUri } from '../../../src/group/uris.ts'

export interface CallOptions {
  readonly onProgress?: (progress: number) => void
  readonly signal?: AbortSignal
}

/** What the features need of a connected client. */
export interface MatrixClient {
  /** Which era it ended up in. */
  readonly era: 'legacy' | 'modern'
  /** What it was told, as it came in. */
  readonly logs: unknown[]
  readonly updates: string[]
  readonly listChanges: string[]
  /** What it was asked. */
  readonly asked: string[]
  /** The text of a tool's result. */
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<string>
  /** The same, with log messages from `info` up. */
  callLogged(name: string, args: Record<string, unknown>): Promise<string>
  toolNames(): Promise<string[]>
  /** The URIs of every page. */
  resourceUris(): Promise<string[]>
  complete(prefix: string, prompt?: string): Promise<string[]>
  /** Subscribes to one resource and to tool list changes, the way its era does it. */
  watch(uri: string): Promise<void>
  close(): Promise<void>
}

export const answers = { name: 'Ada', color: 'green', model: 'four', root: 'file:///work' }

const identity = { name: 'matrix-client', version: '1.0.0' }
const capabilities = { elicitation: {}, sampling: {}, roots: {} }

/** The clients of the matrix by name. */
export const matrixClients: Readonly<Record<string, (url: URL) => Promise<MatrixClient>>> = {
  '1.x': connectV1,
  '2.x legacy': (url) => connectV2(url, 'legacy'),
  '2.x pinned': (url) => connectV2(url, { pin: '2026-07-28' }),
  '2.x auto': (url) => connectV2(url, 'auto'),
}

/** One member of a group as if it were alone: names and URIs are mapped, and nothing else. */
export function memberOf(client: MatrixClient, member: string): MatrixClient {
  const head = `${member}__`
  const ownUris = (uris: readonly string[]) =>
    uris.flatMap((shown) => {
      const read = readQualifiedUri(shown)
      return read?.server === member ? [read.uri] : []
    })
  return {
    ...client,
    get updates() {
      return ownUris(client.updates)
    },
    call: (name, args, options) => client.call(head + name, args, options),
    callLogged: (name, args) => client.callLogged(head + name, args),
    toolNames: async () =>
      (await client.toolNames()).flatMap((name) => (name.startsWith(head) ? [name.slice(head.length)] : [])),
    resourceUris: async () => ownUris(await client.resourceUris()),
    complete: (prefix) => client.complete(prefix, `${head}greet`),
    watch: (uri) => client.watch(qualifyUri(member, uri)),
  }
}

function elicited(message: string) {
  const field = message.includes('name') ? 'name' : 'color'
  return { action: 'accept' as const, content: { [field]: answers[field] } }
}

function sampled() {
  const content = { type: 'text' as const, text: answers.model }
  return { role: 'assistant' as const, model: 'matrix', content }
}

const roots = () => ({ roots: [{ uri: answers.root }] })

async function connectV1(url: URL): Promise<MatrixClient> {
  const client = new ClientV1(identity, { capabilities })
  const heard = hearing()
  client.setRequestHandler(ElicitRequestSchema, ({ params }) =>
    heard.note('elicit', elicited(params.message)),
  )
  client.setRequestHandler(CreateMessageRequestSchema, () => heard.note('sample', sampled()))
  client.setRequestHandler(ListRootsRequestSchema, () => heard.note('roots', roots()))
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
    heard.logs.push(params.data)
  })
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
    heard.updates.push(params.uri)
  })
  client.setNotificationHandler(ToolListChangedNotificationSchema, ({ method }) => {
    heard.listChanges.push(method)
  })
  await client.connect(new StreamableV1(url) as TransportV1)
  const call: MatrixClient['call'] = async (name, args = {}, options = {}) =>
    textOf(await client.callTool({ name, arguments: args }, undefined, requestOptions(options)))
  return {
    ...heard,
    era: 'legacy',
    call,
    callLogged: async (name, args) => {
      await client.setLoggingLevel('info')
      return call(name, args)
    },
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    resourceUris: () => everyPage((cursor) => client.listResources(cursor)),
    complete: async (prefix, prompt) => (await client.complete(completing(prefix, prompt))).completion.values,
    watch: async (uri) => {
      await client.subscribeResource({ uri })
    },
    close: () => client.close(),
  }
}

type Mode = NonNullable<NonNullable<ClientOptions['versionNegotiation']>['mode']>

async function connectV2(url: URL, mode: Mode): Promise<MatrixClient> {
  const client = new ClientV2(identity, { capabilities, versionNegotiation: { mode } })
  const heard = hearing()
  client.setRequestHandler('elicitation/create', ({ params }) =>
    heard.note('elicit', elicited(params.message)),
  )
  client.setRequestHandler('sampling/createMessage', () => heard.note('sample', sampled()))
  client.setRequestHandler('roots/list', () => heard.note('roots', roots()))
  client.setNotificationHandler('notifications/message', ({ params }) => {
    heard.logs.push(params.data)
  })
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
    heard.updates.push(params.uri)
  })
  client.setNotificationHandler('notifications/tools/list_changed', ({ method }) => {
    heard.listChanges.push(method)
  })
  await client.connect(new StreamableV2(url))
  const era = client.getProtocolEra() ?? 'legacy'
  const call: MatrixClient['call'] = async (name, args = {}, options = {}) =>
    textOf(await client.callTool({ name, arguments: args }, requestOptions(options)))
  return {
    ...heard,
    era,
    call,
    callLogged: async (name, args) => {
      if (era === 'modern')
        return textOf(
          await client.callTool({ name, arguments: args, _meta: { [LOG_LEVEL_META_KEY]: 'info' } }),
        )
      await client.setLoggingLevel('info')
      return call(name, args)
    },
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    resourceUris: () => everyPage((cursor) => client.listResources(cursor)),
    complete: async (prefix, prompt) => (await client.complete(completing(prefix, prompt))).completion.values,
    watch: async (uri) => {
      if (era === 'legacy') await client.subscribeResource({ uri })
      else await client.listen({ toolsListChanged: true, resourceSubscriptions: [uri] })
    },
    close: () => client.close(),
  }
}

function hearing() {
  const asked: string[] = []
  return {
    logs: [] as unknown[],
    updates: [] as string[],
    listChanges: [] as string[],
    asked,
    note<T>(what: string, answer: T): T {
      asked.push(what)
      return answer
    },
  }
}

function requestOptions({ onProgress, signal }: CallOptions) {
  return {
    ...(onProgress && { onprogress: ({ progress }: { progress: number }) => onProgress(progress) }),
    ...(signal && { signal }),
  }
}

function completing(prefix: string, name = 'greet') {
  return { ref: { type: 'ref/prompt' as const, name }, argument: { name: 'city', value: prefix } }
}

interface Page {
  readonly resources: readonly { readonly uri: string }[]
  readonly nextCursor?: string | undefined
}

/** SDK 2.x walks the pages itself when it is given no cursor. */
async function everyPage(page: (params: { cursor: string } | undefined) => Promise<Page>): Promise<string[]> {
  const uris: string[] = []
  let cursor: string | undefined
  do {
    const { resources, nextCursor } = await page(cursor === undefined ? undefined : { cursor })
    uris.push(...resources.map(({ uri }) => uri))
    cursor = nextCursor
  } while (cursor !== undefined)
  return uris
}

/** The types of the two SDKs for a result have nothing in common but their shape. */
function textOf(result: unknown): string {
  const { content, isError } = result as { content?: { text?: string }[]; isError?: boolean }
  const text = content?.[0]?.text ?? ''
  if (isError) throw new Error(`tool error: ${text}`)
  return text
}
