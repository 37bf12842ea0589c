/**
 * `compozy servers try NAME`: connects as an agent would, with the official client, on both faces, and says what
 * that agent would find. The SDK is loaded for this command alone.
 */
import { type ArgsDef, defineCommand } from 'citty'
import { version } from '../../../package.json'
import { settings } from '../../config/schema.ts'
import { reasonOf } from '../../errors.ts'
import { isObject } from '../../protocol/json.ts'
import { parseArguments } from '../arguments.ts'
import { findingFlags, urlFlag } from '../config-flags.ts'
import { addressOf, gatewayUrl, readSettings } from '../configuration.ts'
import { directWhenLocal } from '../gateway-fetch.ts'
import { table } from '../table.ts'
import { firstLine } from './admin-api.ts'

const args: ArgsDef = {
  name: { type: 'positional', required: true, description: 'Name of the server.' },
  url: urlFlag,
  token: {
    type: 'string',
    valueHint: 'token',
    description: 'Client token.\ndefault: the first global token of the configuration',
  },
  ...findingFlags,
}

export const tryServer = defineCommand({
  meta: { name: 'try', description: 'Connects to a server through the gateway as an MCP client would.' },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const { address, token } = await readSettings(flags, (value) => ({
      address: flags['url'] === undefined ? addressOf(value) : null,
      token: flags['token']?.at(-1) ?? value(settings.auth.globalTokens)[0],
    }))
    const base = gatewayUrl(flags, address)
    const name = encodeURIComponent(positionals[0] ?? '')
    const rows = [await tryFace(base, name, 'stream', token), await tryFace(base, name, 'sse', token)]
    console.log(
      table(
        ['FACE', 'SERVER', 'TOOLS', 'RESOURCES', 'PROMPTS', 'MS', 'RESULT'],
        rows.map((row) => row.cells),
      ),
    )
    return rows.every((row) => row.ok) ? 0 : 1
  },
})

/** One face: connects, lists what the server says it has, and closes. */
async function tryFace(
  base: string,
  name: string,
  face: 'stream' | 'sse',
  token: string | undefined,
): Promise<{ ok: boolean; cells: string[] }> {
  const [{ Client }, transports] = await Promise.all([
    import('@modelcontextprotocol/sdk/client/index.js'),
    face === 'stream'
      ? import('@modelcontextprotocol/sdk/client/streamableHttp.js').then(
          (m) => m.StreamableHTTPClientTransport,
        )
      : import('@modelcontextprotocol/sdk/client/sse.js').then((m) => m.SSEClientTransport),
  ])
  const url = new URL(`${base}/mcp-proxy/${name}/${face}`)
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const client = new Client({ name: 'compozy', version }, { capabilities: {} })
  const begunMs = performance.now()
  let refusal: string | null = null
  // The SDK's errors hold the raw body of a refusal, or nothing but its status.
  const listening = async (input: string | URL, init?: RequestInit): Promise<Response> => {
    const response = await fetch(input, { ...init, ...directWhenLocal(base) })
    if (response.ok) return response
    const text = await response.text()
    refusal = refusalIn(text) ?? refusal
    return new Response(text, response)
  }
  try {
    const transport = new transports(url, { requestInit: { headers }, fetch: listening })
    // The SDK's own types disagree under exactOptionalPropertyTypes; at run time they are one.
    await client.connect(transport as Parameters<typeof client.connect>[0])
    const has = client.getServerCapabilities()
    const tools = has?.tools ? (await client.listTools()).tools.length : '-'
    const resources = has?.resources ? (await client.listResources()).resources.length : '-'
    const prompts = has?.prompts ? (await client.listPrompts()).prompts.length : '-'
    const server = client.getServerVersion()
    const tookMs = Math.round(performance.now() - begunMs)
    const cells = [face, `${server?.name} ${server?.version}`, tools, resources, prompts, tookMs, 'ok'].map(
      String,
    )
    return { ok: true, cells }
  } catch (thrown) {
    const reason = refusal ?? reasonOf(thrown).replace(/^MCP error -?\d+: /, '')
    return { ok: false, cells: [face, '', '', '', '', '', firstLine(reason, 200)] }
  } finally {
    await client.close()
  }
}

/** What the gateway said in the body of a refusal; null when that is no JSON-RPC error. */
function refusalIn(text: string): string | null {
  try {
    const body: unknown = JSON.parse(text)
    const error = isObject(body) ? body['error'] : undefined
    return isObject(error) && typeof error['message'] === 'string' ? error['message'] : null
  } catch {
    return null
  }
}
