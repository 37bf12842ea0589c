/** `compozy mcp-proxy`: the gateway in the foreground. */
import { defineCommand } from 'citty'
import { parseArguments } from './arguments.ts'
import { gatewayFlags } from './config-flags.ts'
import { raiseFetchCap } from './fetch-cap.ts'

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
    return serve(flags)
  },
})
