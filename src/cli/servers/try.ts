/**
 * `compozy servers try [NAME]`: connects as an agent would, with the official client, on both faces, and says what
 * that agent would find. The SDK is loaded for this command alone.
 */

import { type ArgsDef, defineCommand } from 'citty'
import { version } from '../../../package.json'
import { settings } from '../../config/schema.ts'
import { CommandError, reasonOf } from '../../errors.ts'
import { isObject, objectIn } from '../../protocol/json.ts'
import { maskText } from '../../registry/mask.ts'
import { asJson, serverArgument, wantsJson } from '../admin/admin-api.ts'
import { whyUnanswered } from '../admin/silence-watch.ts'
import { parseArguments } from '../arguments.ts'
import { findingFlags, urlFlag } from '../config-flags.ts'
import { addressOf, gatewayUrl, readSettings } from '../configuration.ts'
import { directWhenLocal } from '../gateway-fetch.ts'
import { table } from '../table.ts'
import { print } from '../terminal/output.ts'

const args: ArgsDef = {
  name: {
    ...serverArgument,
    required: false,
    description: 'Name of the server or group; without it, all of them at /mcp.',
  },
  url: urlFlag,
  token: {
    type: 'string',
    valueHint: 'token',
    description: 'Client token.\ndefault: the first global token of the configuration',
  },
  json: { type: 'boolean', description: 'Prints JSON, for programs.' },
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
    const base = await gatewayUrl(flags, address)
    const silent = await whyUnanswered(base)
    if (silent !== null) throw new CommandError(`no gateway answers at ${base}: ${silent}`, 4)
    const [name] = positionals
    const at = name === undefined ? `${base}/mcp` : `${base}/mcp-proxy/${encodeURIComponent(name)}`
    const stream = name === undefined ? at : `${at}/stream`
    const tries = [
      await tryFace(new URL(stream), 'stream', token),
      await tryFace(new URL(`${at}/sse`), 'sse', token),
    ]
    const headings = ['FACE', 'SERVER', 'TOOLS', 'RESOURCES', 'PROMPTS', 'MS', 'RESULT']
    if (wantsJson(flags)) print(asJson({ tries }))
    else print(table(headings, tries.map(rowOf), { sentence: true }))
    return tries.every(({ ok }) => ok) ? 0 : 1
  },
})

/** What a client found at one face; null where it got no answer, or where there is none of that kind. */
const serverCharsMax = 100

interface Try {
  readonly face: 'stream' | 'sse'
  readonly ok: boolean
  readonly server: string | null
  readonly tools: number | null
  readonly resources: number | null
  readonly prompts: number | null
  readonly tookMs: number | null
  readonly reason: string | null
}

function rowOf({ face, ok, server, tools, resources, prompts, tookMs, reason }: Try): string[] {
  const none = ok ? '-' : ''
  const counts = [tools, resources, prompts].map((count) => String(count ?? none))
  return [face, server ?? '', ...counts, String(tookMs ?? ''), ok ? 'ok' : (reason ?? 'failed')]
}

/** One face: connects, lists what the server says it has, and closes. */
async function tryFace(url: URL, face: 'stream' | 'sse', token: string | undefined): Promise<Try> {
  const [{ Client }, transports] = await Promise.all([
    import('@modelcontextprotocol/sdk/client/index.js'),
    face === 'stream'
      ? import('@modelcontextprotocol/sdk/client/streamableHttp.js').then(
          (m) => m.StreamableHTTPClientTransport,
        )
      : import('@modelcontextprotocol/sdk/client/sse.js').then((m) => m.SSEClientTransport),
  ])
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const client = new Client({ name: 'compozy', version }, { capabilities: {} })
  const begunMs = performance.now()
  let refusal: string | null = null
  // The SDK's errors hold the raw body of a refusal, or nothing but its status.
  const listening = async (input: string | URL, init?: RequestInit): Promise<Response> => {
    const response = await fetch(input, { ...init, ...directWhenLocal(url.origin) })
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
    const tools = has?.tools ? (await client.listTools()).tools.length : null
    const resources = has?.resources ? (await client.listResources()).resources.length : null
    const prompts = has?.prompts ? (await client.listPrompts()).prompts.length : null
    const server = client.getServerVersion()
    const tookMs = Math.round(performance.now() - begunMs)
    // It comes as a client gets it: a server that names itself after its key would have that on the screen.
    const who = maskText(`${server?.name} ${server?.version}`).slice(0, serverCharsMax)
    return { face, ok: true, server: who, tools, resources, prompts, tookMs, reason: null }
  } catch (thrown) {
    const reason = refusal ?? reasonOf(thrown).replace(/^MCP error -?\d+: /, '')
    const nothing = { server: null, tools: null, resources: null, prompts: null, tookMs: null }
    return { face, ok: false, ...nothing, reason }
  } finally {
    await client.close()
  }
}

/** What the gateway said in the body of a refusal; null when that is no JSON-RPC error. */
function refusalIn(text: string): string | null {
  const error = objectIn(text)?.error
  return isObject(error) && typeof error['message'] === 'string' ? error['message'] : null
}
