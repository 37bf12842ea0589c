/** The `compozy` command: which subcommands there are, each loaded only when it is asked for. */
import { defineCommand } from 'citty'
import { runCli } from './cli/run.ts'
import { hiddenCommands } from './runtime/self-command.ts'

const list = () => import('./cli/servers/list.ts').then(({ list }) => list)
const remove = () => import('./cli/servers/remove.ts').then(({ remove }) => remove)

const servers = defineCommand({
  meta: { name: 'servers', description: 'Shows and changes the MCP servers of a running gateway.' },
  subCommands: {
    list,
    ls: list,
    get: () => import('./cli/servers/get.ts').then(({ get }) => get),
    add: () => import('./cli/servers/add.ts').then(({ add }) => add),
    update: () => import('./cli/servers/update.ts').then(({ update }) => update),
    remove,
    rm: remove,
    restart: () => import('./cli/servers/restart.ts').then(({ restart }) => restart),
    enable: () => import('./cli/servers/enable.ts').then(({ enable }) => enable),
    disable: () => import('./cli/servers/disable.ts').then(({ disable }) => disable),
    login: () => import('./cli/logins/login.ts').then(({ login }) => login),
    logout: () => import('./cli/logins/logout.ts').then(({ logout }) => logout),
    logs: () => import('./cli/servers/logs.ts').then(({ logs }) => logs),
    tools: () => import('./cli/servers/tools.ts').then(({ tools }) => tools),
    call: () => import('./cli/servers/call.ts').then(({ call }) => call),
    export: () => import('./cli/servers/export.ts').then(({ exportServers }) => exportServers),
    import: () => import('./cli/servers/import.ts').then(({ importServers }) => importServers),
    snippet: () => import('./cli/servers/snippet.ts').then(({ snippet }) => snippet),
    try: () => import('./cli/servers/try.ts').then(({ tryServer }) => tryServer),
  },
})

const listGroups = () => import('./cli/groups/list.ts').then(({ list }) => list)
const removeGroup = () => import('./cli/groups/remove.ts').then(({ remove }) => remove)

const groups = defineCommand({
  meta: { name: 'groups', description: 'Shows and changes groups: several servers under one URL.' },
  subCommands: {
    list: listGroups,
    ls: listGroups,
    get: () => import('./cli/groups/get.ts').then(({ get }) => get),
    add: () => import('./cli/groups/add.ts').then(({ add }) => add),
    remove: removeGroup,
    rm: removeGroup,
  },
})

const listKeys = () => import('./cli/keys/list.ts').then(({ list }) => list)

const keys = defineCommand({
  meta: { name: 'keys', description: 'Makes keys that open servers or the admin API, and takes them back.' },
  subCommands: {
    list: listKeys,
    ls: listKeys,
    create: () => import('./cli/keys/create.ts').then(({ create }) => create),
    rotate: () => import('./cli/keys/rotate.ts').then(({ rotate }) => rotate),
    revoke: () => import('./cli/keys/revoke.ts').then(({ revoke }) => revoke),
    explain: () => import('./cli/keys/explain.ts').then(({ explain }) => explain),
  },
})

const listApprovals = () => import('./cli/approvals/list.ts').then(({ list }) => list)

const approvals = defineCommand({
  meta: { name: 'approvals', description: 'Shows and approves the tools of pinned servers.' },
  subCommands: {
    list: listApprovals,
    ls: listApprovals,
    show: () => import('./cli/approvals/show.ts').then(({ show }) => show),
    approve: () => import('./cli/approvals/approve.ts').then(({ approve }) => approve),
    revoke: () => import('./cli/approvals/revoke.ts').then(({ revoke }) => revoke),
  },
})

const cluster = defineCommand({
  meta: { name: 'cluster', description: 'Shows the replicas that serve together.' },
  subCommands: { status: () => import('./cli/cluster/status.ts').then(({ status }) => status) },
})

const listCredentials = () => import('./cli/credentials/list.ts').then(({ list }) => list)
const removeCredential = () => import('./cli/credentials/remove.ts').then(({ remove }) => remove)

const credentials = defineCommand({
  meta: { name: 'credentials', description: 'Stores what servers take of each user.' },
  subCommands: {
    list: listCredentials,
    ls: listCredentials,
    set: () => import('./cli/credentials/set.ts').then(({ set }) => set),
    remove: removeCredential,
    rm: removeCredential,
  },
})

const secrets = defineCommand({
  meta: { name: 'secrets', description: 'Changes the key that stored credentials are sealed with.' },
  subCommands: {
    rotate: () => import('./cli/secrets/rotate.ts').then(({ rotate }) => rotate),
  },
})

const config = defineCommand({
  meta: { name: 'config', description: 'Shows and checks the configuration that a gateway would run with.' },
  subCommands: {
    check: () => import('./cli/config/check.ts').then(({ configCheck }) => configCheck),
    print: () => import('./cli/config/print.ts').then(({ configPrint }) => configPrint),
    schema: () => import('./cli/config/schema.ts').then(({ configSchema }) => configSchema),
  },
})

const compozy = defineCommand({
  meta: { name: 'compozy', description: 'Exposes MCP servers over HTTP.' },
  subCommands: {
    'mcp-proxy': () => import('./cli/serve/mcp-proxy.ts').then(({ mcpProxy }) => mcpProxy),
    servers,
    groups,
    keys,
    approvals,
    cluster,
    credentials,
    secrets,
    config,
    init: () => import('./cli/config/init.ts').then(({ init }) => init),
    doctor: () => import('./cli/doctor/doctor.ts').then(({ doctor }) => doctor),
    completion: () => import('./cli/completion/completion.ts').then(({ completion }) => completion),
    healthcheck: () => import('./cli/healthcheck.ts').then(({ healthcheck }) => healthcheck),
  },
})

// The gateway starts this program a second time, to end its children should it be killed itself.
if (process.argv[2] === hiddenCommands.watchdog)
  await import('./cli/serve/watchdog.ts').then(({ runWatchdog }) => runWatchdog())

// A gateway of several workers starts each of them in the same way (cluster/workers).
if (process.argv[2] === hiddenCommands.worker)
  process.exit(
    await import('./cli/serve/worker.ts').then(({ runWorker }) => runWorker(process.argv.slice(3))),
  )

const args = process.argv.slice(2)
// Shells ask so what a word could become (`compozy completion`).
if (args[0] === '__complete')
  process.exit(
    await import('./cli/completion/candidates.ts').then(({ runComplete }) =>
      runComplete(compozy, args.slice(1)),
    ),
  )
// In the image without wget and shell the executable stands in for both.
const [, standIn] = /(?:^|\/)(wget|sh)$/.exec(process.argv0) ?? []
if (standIn !== undefined) {
  const { runShell, runWget } = await import('./cli/stand-ins.ts')
  process.exit(await (standIn === 'wget' ? runWget(args) : runShell(args, (words) => runCli(compozy, words))))
}

process.exit(await runCli(compozy, args))
