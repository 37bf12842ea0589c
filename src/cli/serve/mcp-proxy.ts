/** `compozy mcp-proxy`: the gateway in the foreground. */
import { existsSync } from 'node:fs'
import { defineCommand } from 'citty'
import { parseArguments } from '../arguments.ts'
import { gatewayFlags } from '../config-flags.ts'

const variable = 'BUN_CONFIG_MAX_HTTP_REQUESTS'
const requestsMax = 20_000

/**
 * The init of the container images. A pod whose `command` skips the image's entry point makes this
 * program PID 1, and as that it would leave orphans of its children as zombies: init takes the place.
 */
const initPid = '/usr/bin/tini'

export const mcpProxy = defineCommand({
  meta: {
    name: 'mcp-proxy',
    description: [
      'Runs the gateway in the foreground.',
      'Flags win over the environment, the environment over the file.',
      'Every variable also takes a _FILE twin that names a file with the value.',
      '"compozy config print" shows all settings, those without a flag as well.',
    ].join('\n'),
  },
  args: gatewayFlags,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, gatewayFlags)
    raiseFetchCap(['mcp-proxy', ...rawArgs])
    const { serve } = await import('./serve.ts')
    return serve(flags, rawArgs)
  },
})

/**
 * Raises the number of requests that this process may have in flight over fetch: to MCP servers behind TLS or an
 * outgoing proxy.
 *
 * The runtime allows 256, counts open event streams among them, and then stalls every server without a
 * word. It reads the cap once, at process start, so the process replaces itself: same pid, same
 * descriptors, a few milliseconds.
 *
 * Does not return when the process was replaced, by one with these arguments. A cap that somebody has set
 * is left alone.
 */
function raiseFetchCap(args: readonly string[]): void {
  const init = process.pid === 1 && existsSync(initPid) ? [initPid, '--'] : []
  if ((process.env[variable] !== undefined && init.length === 0) || process.execve === undefined) return
  // A compiled program has a made-up script path at 1; from source it is the path of main.ts.
  const compiled = process.argv[1]?.startsWith('/$bunfs/') === true
  const script = compiled ? [] : [...process.execArgv, ...process.argv.slice(1, 2)]
  process.execve(init[0] ?? process.execPath, [...init, process.execPath, ...script, ...args], {
    ...process.env,
    [variable]: process.env[variable] ?? String(requestsMax),
  })
}
