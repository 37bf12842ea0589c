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

// The gateway starts this program a second time, to end its children should it be killed itself.
if (process.argv[2] === '__watchdog')
  await import('./cli/watchdog.ts').then(({ runWatchdog }) => runWatchdog())

const args = process.argv.slice(2)
// In the image without wget and shell the executable stands in for both.
const [, standIn] = /(?:^|\/)(wget|sh)$/.exec(process.argv0) ?? []
if (standIn !== undefined) {
  const { runShell, runWget } = await import('./cli/stand-ins.ts')
  process.exit(await (standIn === 'wget' ? runWget(args) : runShell(args, (words) => runCli(compozy, words))))
}

process.exit(await runCli(compozy, args))
