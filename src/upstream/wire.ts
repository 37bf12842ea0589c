/** Chooses the transport that a definition asks for, with the settings that it needs. */
import type { Config } from '../config/schema.ts'
import { GatewayError } from '../errors.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import { childEnvironment } from './transports/child-environment.ts'
import { createStdioTransport } from './transports/stdio.ts'
import type { UpstreamTransport } from './transports/transport.ts'

/** A transport for this server, not opened yet. */
export function openWire(definition: ServerDefinition, config: Config): UpstreamTransport {
  const { limits, timeouts } = config
  if (definition.transport === 'stdio')
    return createStdioTransport({
      command: definition.command,
      args: definition.args,
      env: childEnvironment(process.env, definition.env),
      cwd: definition.cwd,
      lineBytesMax: limits.lineBytesMax,
      inputQueueCharsMax: limits.lineBytesMax,
      stopGraceMs: timeouts.stopGraceMs,
      secrets: Object.values(definition.env),
      groupWatch: null,
    })
  throw new GatewayError('SERVER_UNAVAILABLE', `the transport ${definition.transport} is not there yet`)
}
