/** The fixture's tools that answer without asking the client for anything. */
import {
  type CallToolResult,
  fromJsonSchema,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server'
import type { Offer } from './offer.ts'

/** A 1×1 red PNG. */
export const pngBase64 =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC'

/** A WAV header for 8 kHz mono with no samples. */
const wavBase64 = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA='

type Body = (
  args: Record<string, unknown>,
  context: ServerContext,
) => Promise<CallToolResult> | CallToolResult

/** A schema from plain JSON, so that it reaches `tools/list` exactly as written here. */
export function schemaOf(properties: Record<string, unknown> = {}, required: readonly string[] = []) {
  return fromJsonSchema<Record<string, unknown>>({
    type: 'object',
    properties,
    ...(required.length > 0 && { required: [...required] }),
  } as Parameters<typeof fromJsonSchema>[0])
}

/** A result of one text block. */
export function textResult(text: string): CallToolResult {
  return { content: [{ type: 'text', text }] }
}

const contents: Readonly<Record<string, CallToolResult['content']>> = {
  test_simple_text: [{ type: 'text', text: 'This is a simple text response for testing.' }],
  test_image_content: [{ type: 'image', data: pngBase64, mimeType: 'image/png' }],
  test_audio_content: [{ type: 'audio', data: wavBase64, mimeType: 'audio/wav' }],
  test_embedded_resource: [
    {
      type: 'resource',
      resource: {
        uri: 'test://embedded-resource',
        mimeType: 'text/plain',
        text: 'This is an embedded resource content.',
      },
    },
  ],
  test_multiple_content_types: [
    { type: 'text', text: 'Multiple content types test:' },
    { type: 'image', data: pngBase64, mimeType: 'image/png' },
    {
      type: 'resource',
      resource: {
        uri: 'test://mixed-content-resource',
        mimeType: 'application/json',
        text: '{"test":"data","value":123}',
      },
    },
  ],
}

/** Registers them. The header-mirroring tool comes first: the suite tests headers on the first tool. */
export function offerPlainTools(server: McpServer, offer: Offer): void {
  const add = (name: string, description: string, body: Body) =>
    server.registerTool(name, { description, inputSchema: schemaOf() }, body)

  server.registerTool(
    'test_x_mcp_header',
    {
      description: 'Echoes an argument that clients mirror into a header',
      inputSchema: schemaOf({
        region: { type: 'string', 'x-mcp-header': 'Region' },
        level: { type: 'integer' },
      }),
    },
    (args) => textResult(`region=${String(args['region'])}`),
  )
  for (const [name, content] of Object.entries(contents)) {
    add(name, 'Answers with fixed content', () => ({ content }))
  }
  add('test_error_handling', 'Always fails', () => {
    throw new Error('This tool intentionally returns an error for testing')
  })
  add('test_tool_with_logging', 'Logs three times while it works', logThrice)
  add('test_tool_with_progress', 'Reports progress while it works', reportProgress)
  add('test_logging_tool', 'Logs once, if logs are asked for', async (_args, context) => {
    await context.mcpReq.log('info', 'working')
    return textResult('logged')
  })
  add('test_streaming_elicitation', 'Answers without asking', () => textResult('nothing asked'))
  add('test_reconnection', 'Closes its stream and goes on working', async (_args, context) => {
    context.http?.closeSSE?.()
    await Bun.sleep(offer.reconnectionMs)
    return textResult('finished after the stream was closed')
  })
  add('test_trigger_tool_change', 'Announces a changed tool list', () => {
    offer.toolsChanged(server)
    return textResult('announced')
  })
  add('test_trigger_prompt_change', 'Announces a changed prompt list', () => {
    offer.promptsChanged(server)
    return textResult('announced')
  })
  server.registerTool(
    'json_schema_2020_12_tool',
    { description: 'Tool with JSON Schema 2020-12 features', inputSchema: fromJsonSchema(contactSchema) },
    (args) => textResult(JSON.stringify(args)),
  )
}

async function logThrice(_args: unknown, context: ServerContext): Promise<CallToolResult> {
  await context.mcpReq.log('info', 'Tool execution started')
  await Bun.sleep(50)
  await context.mcpReq.log('info', 'Tool processing data')
  await Bun.sleep(50)
  await context.mcpReq.log('info', 'Tool execution completed')
  return textResult('logged three times')
}

async function reportProgress(_args: unknown, context: ServerContext): Promise<CallToolResult> {
  const progressToken = context.mcpReq._meta?.progressToken
  for (const progress of [0, 50, 100]) {
    if (progress > 0) await Bun.sleep(50)
    if (progressToken === undefined) continue
    await context.mcpReq.notify({
      method: 'notifications/progress',
      params: { progressToken, progress, total: 100 },
    })
  }
  return textResult('done')
}

const contactSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
} as Parameters<typeof fromJsonSchema>[0]
