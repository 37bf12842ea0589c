/**
 * The client that the suite's client scenarios drive: `bun suite-client.ts <mock server URL>`.
 *
 * With `GATEWAY_URL` set, the mock server is registered there under a name of its own and the client
 * goes through the gateway; without it, the client goes straight to the mock server. The suite hands
 * over the scenario, the revision and what to call in variables.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { documentedFetch } from '../support/api-document.ts'
import { poll } from '../support/gateway.ts'
import { driveAuthorization } from './authorization-client.ts'

interface ToolCall {
  readonly name: string
  readonly arguments: Record<string, unknown>
}

async function main(): Promise<void> {
  const mock = process.argv.at(-1) ?? ''
  const gateway = process.env['GATEWAY_URL']
  const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? ''
  if (gateway === undefined) {
    await drive(new URL(mock), scenario)
    return
  }
  if (scenario.startsWith('auth/')) {
    await driveAuthorization(gateway, mock, scenario)
    return
  }
  const name = `mock-${crypto.randomUUID().slice(0, 8)}`
  await register(gateway, name, mock)
  try {
    await drive(new URL(`${gateway}/mcp-proxy/${name}/stream`), scenario)
  } finally {
    // The suite waits for every connection to its mock server to end.
    await documentedFetch(`${gateway}/admin/mcps/${name}`, { method: 'DELETE' })
  }
}

async function register(gateway: string, name: string, url: string): Promise<void> {
  const answer = await documentedFetch(`${gateway}/admin/mcps`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, transport: 'streamable-http', url, healthCheckEnabled: false }),
  })
  if (answer.status !== 201) throw new Error(`registering: ${answer.status} ${await answer.text()}`)
  await poll(`${name} to connect`, async () => {
    const entry = await documentedFetch(`${gateway}/admin/mcps/${name}`)
    const { status } = (await entry.json()) as { status: { status: string } }
    return status.status === 'connected'
  })
}

async function drive(url: URL, scenario: string): Promise<void> {
  const modern = process.env['MCP_CONFORMANCE_PROTOCOL_VERSION'] === '2026-07-28'
  const client = new Client(
    { name: 'suite-client', version: '1.0.0' },
    {
      capabilities: {
        elicitation: { form: { applyDefaults: true } },
        sampling: {},
        roots: { listChanged: true },
      },
      versionNegotiation: { mode: modern ? 'auto' : 'legacy' },
    },
  )
  // Fields left out are the point of the defaults scenario; the others take what they get.
  client.setRequestHandler('elicitation/create', () => ({
    action: 'accept',
    content: scenario === 'elicitation-sep1034-client-defaults' ? {} : { confirmed: true },
  }))
  await client.connect(new StreamableHTTPClientTransport(url))
  await actions[scenario]?.(client)
  await client.close()
}

const actions: Readonly<Record<string, (client: Client) => Promise<unknown>>> = {
  initialize: (client) => client.listTools(),
  'request-metadata': (client) => client.listTools(),
  'json-schema-ref-no-deref': (client) => client.listTools(),
  tools_call: callAll({ a: 5, b: 3 }),
  'elicitation-sep1034-client-defaults': callAll({}),
  'sse-retry': callAll({}),
  'http-invalid-tool-headers': callAll({ region: 'us-west1' }),
  'http-custom-headers': async (client) => {
    await client.listTools()
    const context = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as { toolCalls?: ToolCall[] }
    for (const call of context.toolCalls ?? []) await client.callTool(call)
  },
  'sep-2322-client-request-state': callAll({}),
  'http-standard-headers': async (client) => {
    await callAll({})(client)
    for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri })
    for (const { name } of (await client.listPrompts()).prompts) await client.getPrompt({ name })
  },
}

/** Lists the tools and calls each one that the client does not refuse. */
function callAll(args: Record<string, unknown>): (client: Client) => Promise<void> {
  return async (client) => {
    const { tools } = await client.listTools()
    for (const { name } of tools) {
      await client.callTool({ name, arguments: args }).catch((reason: unknown) => {
        console.error(`${name}: ${String(reason)}`)
      })
    }
  }
}

await main()
