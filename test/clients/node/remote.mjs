/**
 * mcp-remote, which brings a server over HTTP to clients that know only pipes; here to the official SDK 1.x:
 * remote.mjs ENDPOINT URL TOKEN.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { answers, Heard, main } from './checks.mjs'

/** It keeps tokens and locks in a folder of its own. */
const directory = mkdtempSync(join(tmpdir(), 'features-remote-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const entry = join(createRequire(import.meta.url).resolve('mcp-remote/package.json'), '../dist/proxy.js')

async function open(endpoint, url, token) {
  const heard = new Heard()
  const client = new Client(
    { name: 'features', version: '1' },
    { capabilities: { roots: {}, sampling: {}, elicitation: {} } },
  )
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: answers.name } }))
  client.setRequestHandler(CreateMessageRequestSchema, () => ({
    role: 'assistant',
    content: { type: 'text', text: answers.model },
    model: 'none',
  }))
  client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: answers.root }] }))
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
    heard.logs.push(params.data)
  })
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
    heard.updates.push(params.uri)
  })
  client.setNotificationHandler(ToolListChangedNotificationSchema, (note) => {
    heard.listChanges.push(note)
  })
  const way = endpoint === 'sse' ? 'sse-only' : 'http-only'
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [entry, url, '--transport', way, '--allow-http', '--header', `Authorization: Bearer ${token}`],
    env: { ...process.env, MCP_REMOTE_CONFIG_DIR: directory },
    stderr: 'inherit',
  })
  let version = ''
  transport.setProtocolVersion = (negotiated) => {
    version = negotiated
  }
  await client.connect(transport)
  return {
    heard,
    version,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (name, args, { signal, onProgress } = {}) =>
      client.callTool({ name, arguments: args }, undefined, {
        ...(signal && { signal }),
        ...(onProgress && { onprogress: ({ progress }) => onProgress(progress) }),
      }),
    logEverything: () => client.setLoggingLevel('debug'),
    resources: async () => (await client.listResources()).resources.map((one) => one.uri),
    read: async (uri) => (await client.readResource({ uri })).contents[0].text,
    subscribe: (uri) => client.subscribeResource({ uri }),
    prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    prompt: async (name, args) =>
      (await client.getPrompt({ name, arguments: args })).messages[0].content.text,
    complete: async (name, argument, value) =>
      (await client.complete({ ref: { type: 'ref/prompt', name }, argument: { name: argument, value } }))
        .completion.values,
    close: () => client.close(),
  }
}

await main(open)
