/**
 * A client with the official TypeScript SDK: lists the tools of one server and calls the first one named.
 *
 *   bun examples/client.ts http://127.0.0.1:6001/mcp-proxy/memory/stream read_graph
 *
 * `MCP_TOKEN` is sent as a bearer token when it is set.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

const [url, tool, json = '{}'] = process.argv.slice(2)
if (url === undefined) {
  console.error('usage: bun examples/client.ts URL [TOOL] [ARGUMENTS]')
  process.exit(2)
}

const token = process.env['MCP_TOKEN']
const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` }
// `auto` takes the newest revision that both ends speak; the gateway speaks all of them.
const client = new Client({ name: 'example', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } })
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }))

const { tools } = await client.listTools()
console.log(tools.map(({ name }) => name).join('\n'))
if (tool !== undefined) {
  const { content } = await client.callTool({ name: tool, arguments: JSON.parse(json) })
  console.log(JSON.stringify(content, null, 2))
}
await client.close()
