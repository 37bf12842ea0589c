/**
 * `compozy servers try NAME`: connects as an agent would, with the official client, on both faces, and says what
 * that agent would find. The SDK is loaded for this command alone.
 */
import { type ArgsDef, defineCommand } from 'citty'
import { reasonOf } from '../../errors.ts'
import { parseArguments } from '../arguments.ts'
import { findingFlags } from '../config-flags.ts'
import { localUrl, readConfiguration } from '../configuration.ts'
import { table } from '../table.ts'
import { CommandError, UsageError } from '../usage-error.ts'
import { version } from '../version.ts'

const args: ArgsDef = {
  name: { type: 'positional', required: true, description: 'Name of the server.' },
  url: {
    type: 'string',
    valueHint: 'url',
    description: 'Base URL of the gateway.\ndefault: host and port of the configuration',
  },
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
    const { config } = await readConfiguration(flags)
    const base = (flags['url']?.at(-1) ?? localUrl(config))?.replace(/\/+$/, '')
    if (base === undefined) throw new CommandError('the configured port is 0; name the gateway with --url')
    if (!URL.canParse(base)) throw new UsageError(`--url must be an http or https URL, got "${base}"`)
    const token = flags['token']?.at(-1) ?? config.auth.globalTokens[0]
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
  try {
    const transport = new transports(url, { requestInit: { headers } })
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
    return {
      ok: false,
      cells: [face, '', '', '', '', '', reasonOf(thrown).split('\n')[0]?.slice(0, 200) ?? ''],
    }
  } finally {
    await client.close()
  }
}
