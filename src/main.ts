/** The `compozy` command: which subcommands there are, each loaded only when it is asked for. */
import { defineCommand } from 'citty'
import { runCli } from './cli/run.ts'

const compozy = defineCommand({
  meta: { name: 'compozy', description: 'Exposes MCP servers over HTTP.' },
  subCommands: {
    'mcp-proxy': () => import('./cli/mcp-proxy.ts').then(({ mcpProxy }) => mcpProxy),
    servers: () => import('./cli/servers.ts').then(({ servers }) => servers),
    config: () => import('./cli/config.ts').then(({ config }) => config),
    healthcheck: () => import('./cli/healthcheck.ts').then(({ healthcheck }) => healthcheck),
  },
})

process.exit(await runCli(compozy, process.argv.slice(2)))
