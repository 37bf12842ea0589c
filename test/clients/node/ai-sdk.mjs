/** @ai-sdk/mcp: ai-sdk.mjs ENDPOINT URL TOKEN. It has no notifications, no roots and no sampling. */
import { createMCPClient, ElicitationRequestSchema } from '@ai-sdk/mcp'
import { answers, Heard, main } from './checks.mjs'

const lacks = ['progress', 'logging', 'subscribe', 'sampling', 'roots', 'list_changed']

async function open(endpoint, url, token) {
  const client = await createMCPClient({
    transport: {
      type: endpoint === 'sse' ? 'sse' : 'http',
      url,
      headers: { authorization: `Bearer ${token}` },
    },
    capabilities: { elicitation: {} },
    onUncaughtError: (error) => process.stderr.write(`${error}\n`),
  })
  client.onElicitationRequest(ElicitationRequestSchema, () => ({
    action: 'accept',
    content: { name: answers.name },
  }))
  return {
    heard: new Heard(),
    version: client.initializeResult.protocolVersion,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (name, args, { signal } = {}) =>
      client.callTool({ name, arguments: args, ...(signal && { options: { signal } }) }),
    resources: async () => (await client.listResources()).resources.map((one) => one.uri),
    read: async (uri) => (await client.readResource({ uri })).contents[0].text,
    prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    prompt: async (name, args) =>
      (await client.getPrompt({ name, arguments: args })).messages[0].content.text,
    complete: async (name, argument, value) =>
      (await client.complete({ ref: { type: 'ref/prompt', name }, argument: { name: argument, value } }))
        .completion.values,
    close: () => client.close(),
  }
}

await main(open, lacks)
