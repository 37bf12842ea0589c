/** The fixture's prompts and resources, with subscription in the legacy era. */
import {
  acceptedContent,
  fromJsonSchema,
  type GetPromptResult,
  inputRequired,
  type McpServer,
  type PromptCallback,
  ResourceTemplate,
  type ServerContext,
} from '@modelcontextprotocol/server'
import type { Offer } from './offer.ts'
import { pngBase64 } from './plain-tools.ts'

/** Registers the resources. */
export function offerResources(server: McpServer, offer: Offer): void {
  const text = 'This is the content of the static text resource.'
  server.registerResource('static-text', 'test://static-text', { mimeType: 'text/plain' }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text }],
  }))
  server.registerResource('static-binary', 'test://static-binary', { mimeType: 'image/png' }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'image/png', blob: pngBase64 }],
  }))
  server.registerResource('watched', 'test://watched-resource', { mimeType: 'text/plain' }, (uri) => ({
    contents: [{ uri: uri.href, mimeType: 'text/plain', text: 'watched' }],
  }))
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { mimeType: 'application/json' },
    (uri, { id }) => ({
      contents: [
        {
          uri: uri.href,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }),
        },
      ],
    }),
  )
  // 2026-07-28 has no such methods: there, `subscriptions/listen` carries the URIs.
  if (offer.era === 'legacy') {
    server.server.setRequestHandler('resources/subscribe', () => ({}))
    server.server.setRequestHandler('resources/unsubscribe', () => ({}))
  }
}

/** Registers the prompts. */
export function offerPrompts(server: McpServer): void {
  const say = (text: string): GetPromptResult['messages'][number] => ({
    role: 'user',
    content: { type: 'text', text },
  })
  server.registerPrompt('test_simple_prompt', { description: 'No arguments' }, () => ({
    messages: [say('This is a simple prompt for testing.')],
  }))
  server.registerPrompt(
    'test_prompt_with_arguments',
    { description: 'Two arguments', argsSchema: argumentsOf('arg1', 'arg2') },
    (args) => ({ messages: [say(`Prompt with arguments: arg1='${args['arg1']}', arg2='${args['arg2']}'`)] }),
  )
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'Embeds a resource', argsSchema: argumentsOf('resourceUri') },
    (args) => ({
      messages: [
        {
          role: 'user',
          content: {
            type: 'resource',
            resource: {
              uri: String(args['resourceUri']),
              mimeType: 'text/plain',
              text: 'Embedded resource content for testing.',
            },
          },
        },
        say('Please process the embedded resource above.'),
      ],
    }),
  )
  server.registerPrompt('test_prompt_with_image', { description: 'Shows an image' }, () => ({
    messages: [
      { role: 'user', content: { type: 'image', data: pngBase64, mimeType: 'image/png' } },
      say('Please analyze the image above.'),
    ],
  }))
  server.registerPrompt('test_input_required_result_prompt', { description: 'Asks first' }, askingPrompt)
}

const askingPrompt: PromptCallback = (context: ServerContext) => {
  const wanted = acceptedContent(context.mcpReq.inputResponses, 'user_context')?.['context']
  if (typeof wanted === 'string') {
    return { messages: [{ role: 'user', content: { type: 'text', text: `Use this context: ${wanted}` } }] }
  }
  return inputRequired({
    inputRequests: {
      user_context: inputRequired.elicit({
        message: 'What context should the prompt use?',
        requestedSchema: {
          type: 'object',
          properties: { context: { type: 'string' } },
          required: ['context'],
        },
      }),
    },
  })
}

function argumentsOf(...names: string[]) {
  const properties = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]))
  return fromJsonSchema<Record<string, string>>({ type: 'object', properties, required: names })
}
