/** `compozy init`: a configuration file to begin with, which starts as it is. */

import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { extname } from 'node:path'
import { type ArgsDef, defineCommand } from 'citty'
import { schemaUrl } from '../../config/file/json-schema.ts'
import { CommandError, errorCode, systemReason, UsageError } from '../../errors.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'

const args: ArgsDef = {
  config: { type: 'string', valueHint: 'file', description: 'File to write.\ndefault compozy.yaml' },
  tokens: {
    type: 'boolean',
    description: 'Puts a new token for clients and one for admins into it.',
  },
}

export const init = defineCommand({
  meta: {
    name: 'init',
    description:
      'Writes a commented compozy.yaml to begin with, which only its owner can read. Never overwrites a file.',
  },
  args,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, args)
    const path = flags['config']?.at(-1) ?? 'compozy.yaml'
    const tokens = flags['tokens']?.at(-1) === 'true'
    if (!['.yaml', '.yml'].includes(extname(path).toLowerCase())) {
      throw new UsageError(`--config must end in .yaml or .yml here, got "${path}"`)
    }
    write(path, template(tokens ? { client: newToken(), admin: newToken() } : null))
    const flag = path === 'compozy.yaml' ? '' : ` --config ${path}`
    print(`wrote ${path}${tokens ? ', with a token for clients and one for admins in it' : ''}`)
    print(`"compozy config check${flag}" looks at it, "compozy mcp-proxy${flag}" starts it`)
    return 0
  },
})

/** Readable by its owner alone: sooner or later a token stands in it. */
function write(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 })
  } catch (thrown) {
    if (errorCode(thrown) !== 'EEXIST')
      throw new CommandError(`cannot write ${path}: ${systemReason(thrown)}`)
    throw new CommandError(`${path} is there already and stays as it is; name another file with --config`)
  }
}

function newToken(): string {
  return randomBytes(32).toString('base64url')
}

function template(tokens: { readonly client: string; readonly admin: string } | null): string {
  const auth =
    tokens === null
      ? `  # auth:
  #   global_tokens: ["\${MCP_TOKEN}"]        # asked of every client; none: open to whoever reaches the port
  #   admin_tokens: ["\${MCP_ADMIN_TOKEN}"]   # asked of the admin API; none: this machine only`
      : `  auth:
    global_tokens: ["${tokens.client}"] # asked of every client
    admin_tokens: ["${tokens.admin}"] # asked of the admin API`
  return `# yaml-language-server: $schema=${schemaUrl}
# Configuration of compozy mcp-proxy. Every key is optional: "compozy config print" shows all of them, with
# their values and where each one came from. \${NAME} stands for a variable of the environment.
mcp_proxy:
  host: 127.0.0.1 # 0.0.0.0 listens on every interface: set tokens first
  port: 6001
  # base_url: https://tools.example.com/mcp  # how clients reach it behind a reverse proxy
${auth}
  #   admin_allow_ips: [127.0.0.1, 10.0.0.0/8]
  # security:
  #   trusted_proxies: [10.0.0.0/8]          # whose X-Forwarded-For is believed
  # logging:
  #   level: info                            # debug, info, warn, error, silent

# MCP servers that are there from the start. Clients find one at /mcp-proxy/NAME/stream.
mcps: []
  # - name: files                            # take the [] away above, and the # in front of these lines
  #   transport: stdio
  #   command: npx
  #   args: ["-y", "@modelcontextprotocol/server-filesystem", "."]
  #   env: { NODE_ENV: production }
  # - name: docs
  #   transport: http
  #   url: https://example.com/mcp
  #   headers: { Authorization: "Bearer \${DOCS_TOKEN}" }
  #   authTokens: ["\${DOCS_CLIENT_TOKEN}"]   # opens this server alone
  #   allowedIPs: [10.0.0.0/8]               # clients from elsewhere are refused
`
}
