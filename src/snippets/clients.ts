/**
 * How each client is told of a server of the gateway: its file, the keys in it, and where the token goes.
 *
 * Read in the documentation of the clients in November 2026. Pure.
 */
import { isLoopbackHost } from '../net/host.ts'

/** What a snippet is made of. */
export interface SnippetParts {
  /** Of the server, in what every client takes for a name. */
  readonly name: string
  /** Streamable HTTP. */
  readonly url: string
  /** The token itself, `asked` for one that the person has yet to fill in, null where none is needed. */
  readonly token: string | 'asked' | null
}

export interface Snippet {
  readonly title: string
  /** Where it belongs; several where it depends on the machine or on who should have it. */
  readonly places: readonly string[]
  readonly format: 'json' | 'toml' | 'python'
  readonly text: string
  /** A command that does the same, where the client has one. */
  readonly command: string | null
  /** What is to be known before it is pasted: that a token stands in a file that is usually committed. */
  readonly warning: string | null
  /** What else is to be done. */
  readonly notes: readonly string[]
}

type Maker = (parts: SnippetParts) => Snippet

/** In which variable a client looks for the token, where it can. */
const variable = 'COMPOZY_TOKEN'
/** What a person replaces by the token. */
const placeholder = 'YOUR_TOKEN'

const setVariable = `Set ${variable} in the environment that the client is started from.`
const fromVariable = `it takes the token from ${variable}`
const replacePlaceholder = `Replace ${placeholder} by a token of the gateway.`

/** By the name of `--client`. */
export const clients = {
  'claude-desktop': (parts) => ({
    title: 'Claude Desktop',
    places: [
      'macOS: ~/Library/Application Support/Claude/claude_desktop_config.json',
      'Windows: %APPDATA%\\Claude\\claude_desktop_config.json',
      'or Settings, Developer, Edit Config',
    ],
    ...json({ mcpServers: { [parts.name]: throughPipe(parts) } }),
    notes: [
      ...noteOf(parts, replacePlaceholder),
      'It starts servers as processes only; npx needs Node.js. Start it anew.',
    ],
  }),
  'claude-code': (parts) => {
    const header =
      parts.token === null ? '' : ` --header "Authorization: ${bearer(parts, `\${${variable}}`)}"`
    return {
      title: 'Claude Code',
      places: ['.mcp.json in the folder of a project'],
      ...json({
        mcpServers: { [parts.name]: { type: 'http', url: parts.url, ...headers(parts, `\${${variable}}`) } },
      }),
      command: `claude mcp add --transport http ${parts.name} ${parts.url}${header}`,
      warning: committed(parts, '.mcp.json', fromVariable),
      notes: noteOf(parts, setVariable),
    }
  },
  cursor: (parts) => ({
    title: 'Cursor',
    places: ['~/.cursor/mcp.json for all projects', '.cursor/mcp.json in the folder of a project'],
    ...json({ mcpServers: { [parts.name]: { url: parts.url, ...headers(parts, `\${env:${variable}}`) } } }),
    warning: committed(parts, '.cursor/mcp.json', fromVariable),
    notes: noteOf(parts, setVariable),
  }),
  vscode: (parts) => ({
    title: 'VS Code',
    places: [
      '.vscode/mcp.json in the folder of a project',
      'for all projects: the command "MCP: Open User Configuration"',
    ],
    ...json({
      ...(parts.token === 'asked' && {
        inputs: [
          { type: 'promptString', id: 'compozy-token', description: 'Token of the gateway', password: true },
        ],
      }),
      servers: {
        [parts.name]: { type: 'http', url: parts.url, ...headers(parts, '${input:compozy-token}') },
      },
    }),
    warning: committed(parts, '.vscode/mcp.json', 'it asks for it'),
    notes: noteOf(parts, 'It asks for the token when it first starts the server.'),
  }),
  codex: (parts) => ({
    title: 'Codex',
    places: ['~/.codex/config.toml'],
    format: 'toml',
    text: [
      `[mcp_servers.${parts.name}]`,
      `url = ${JSON.stringify(parts.url)}`,
      ...(parts.token === 'asked' ? [`bearer_token_env_var = "${variable}"`] : []),
      ...(parts.token === 'asked' || parts.token === null
        ? []
        : [`http_headers = { Authorization = ${JSON.stringify(`Bearer ${parts.token}`)} }`]),
    ].join('\n'),
    command:
      parts.token === 'asked' || parts.token === null
        ? `codex mcp add ${parts.name} --url ${parts.url}${parts.token === null ? '' : ` --bearer-token-env-var ${variable}`}`
        : null,
    warning: null,
    notes: noteOf(parts, setVariable),
  }),
  gemini: (parts) => ({
    title: 'Gemini CLI',
    places: ['~/.gemini/settings.json for all projects', '.gemini/settings.json in the folder of a project'],
    ...json({ mcpServers: { [parts.name]: { httpUrl: parts.url, ...headers(parts, `$${variable}`) } } }),
    command: `gemini mcp add --transport http${
      parts.token === null ? '' : ` --header "Authorization: ${bearer(parts, `$${variable}`)}"`
    } ${parts.name} ${parts.url}`,
    warning: committed(parts, '.gemini/settings.json', fromVariable),
    notes: noteOf(parts, setVariable),
  }),
  windsurf: (parts) => ({
    title: 'Windsurf',
    places: ['~/.codeium/windsurf/mcp_config.json'],
    ...json({
      mcpServers: { [parts.name]: { serverUrl: parts.url, ...headers(parts, `\${env:${variable}}`) } },
    }),
    notes: [...noteOf(parts, setVariable), 'Refresh the servers in the panel of Cascade.'],
  }),
  zed: (parts) => ({
    title: 'Zed',
    places: ['~/.config/zed/settings.json, or the command "zed: open settings file"'],
    ...json({ context_servers: { [parts.name]: { url: parts.url, ...headers(parts, placeholder) } } }),
    notes: noteOf(parts, replacePlaceholder),
  }),
  jetbrains: (parts) => ({
    title: 'JetBrains AI Assistant',
    places: ['Settings, Tools, AI Assistant, Model Context Protocol (MCP): Add, as JSON'],
    ...json({ mcpServers: { [parts.name]: parts.token === null ? { url: parts.url } : throughPipe(parts) } }),
    notes: [
      ...noteOf(parts, replacePlaceholder),
      ...(parts.token === null
        ? []
        : ['Its settings have no place for a token, so npx brings it there; that needs Node.js.']),
    ],
  }),
  n8n: (parts) => ({
    title: 'n8n',
    places: ['the editor of a workflow: paste it, and connect it to the tools of an AI Agent'],
    ...json({
      nodes: [
        {
          name: parts.name,
          type: '@n8n/n8n-nodes-langchain.mcpClientTool',
          typeVersion: 1.2,
          position: [0, 0],
          parameters: {
            endpointUrl: parts.url,
            serverTransport: 'httpStreamable',
            authentication: parts.token === null ? 'none' : 'bearerAuth',
          },
        },
      ],
      connections: {},
    }),
    notes: [
      ...(parts.token === null
        ? []
        : ['Choose a credential of the kind "Bearer Auth" that holds a token of the gateway.']),
      ...(isLocal(parts.url)
        ? [
            'In a container 127.0.0.1 is the container itself: use host.docker.internal, and list it under security.allowed_hosts.',
          ]
        : []),
    ],
  }),
  langchain: (parts) => ({
    title: 'LangChain (Python)',
    places: ['a program, after: pip install "langchain[mcp]"'],
    format: 'python',
    text: pythonProgram(parts),
    command: null,
    warning: null,
    notes: noteOf(parts, setVariable),
  }),
} as const satisfies Readonly<Record<string, Maker>>

export type ClientName = keyof typeof clients

/** A name that every client takes: letters, digits, hyphens and underscores. */
export function nameInClients(name: string): string {
  return name.replaceAll(/[^\w-]/g, '-')
}

function json(value: unknown): Pick<Snippet, 'format' | 'text' | 'command' | 'warning'> {
  return { format: 'json', text: JSON.stringify(value, null, 2), command: null, warning: null }
}

function noteOf({ token }: SnippetParts, whenAsked: string): string[] {
  return token === 'asked' ? [whenAsked] : []
}

/** `without` is what the client does where the token is left out of the text. */
function committed({ token }: SnippetParts, file: string, without: string): string | null {
  if (token === 'asked' || token === null) return null
  return `${file} of a project is usually committed, and this text holds the token. Put it where only you read it, or leave the token out: then ${without}.`
}

/** `reference` is how the client writes a token that it looks up. */
function bearer({ token }: SnippetParts, reference: string): string {
  return `Bearer ${token === 'asked' ? reference : token}`
}

function headers(parts: SnippetParts, reference: string): { headers?: { Authorization: string } } {
  return parts.token === null ? {} : { headers: { Authorization: bearer(parts, reference) } }
}

/** For clients that know only processes: one that speaks HTTP for them. */
function throughPipe(parts: SnippetParts): object {
  // Some clients break arguments at blanks, so the value travels in a variable.
  const credential = parts.token === null ? [] : ['--header', 'Authorization:${AUTH_HEADER}']
  return {
    command: 'npx',
    args: ['-y', 'mcp-remote', parts.url, '--transport', 'http-only', ...plainHttp(parts.url), ...credential],
    ...(parts.token === null ? {} : { env: { AUTH_HEADER: bearer(parts, placeholder) } }),
  }
}

/** mcp-remote wants to be told that plain HTTP is meant, but for its own machine. */
function plainHttp(url: string): readonly string[] {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || ['localhost', '127.0.0.1'].includes(hostname) ? [] : ['--allow-http']
}

function isLocal(url: string): boolean {
  return isLoopbackHost(new URL(url).hostname.replace(/^\[(.*)\]$/, '$1'))
}

function pythonProgram(parts: SnippetParts): string {
  const { name, url, token } = parts
  const value =
    token === 'asked' ? `f"Bearer {os.environ['${variable}']}"` : JSON.stringify(`Bearer ${token}`)
  const header = token === null ? [] : [`            "headers": {"Authorization": ${value}},`]
  return [
    'import asyncio',
    ...(token === 'asked' ? ['import os'] : []),
    '',
    'from langchain.mcp import MCPAdapter',
    '',
    'config = {',
    '    "mcpServers": {',
    `        ${JSON.stringify(name)}: {`,
    `            "url": ${JSON.stringify(url)},`,
    '            "transport": "http",',
    ...header,
    '        }',
    '    }',
    '}',
    '',
    '',
    'async def main():',
    '    async with MCPAdapter(config) as adapter:',
    '        for tool in await adapter.list_tools():',
    '            print(tool.name)',
    '',
    '',
    'asyncio.run(main())',
  ].join('\n')
}
