/**
 * Decides whether a definition may be registered over the admin API at all.
 *
 * Every path that can start a process or open a connection passes here (POST and PUT alike), because
 * a second way in with weaker checks is how other gateways were taken over.
 */
import type { Config } from '../../config/schema.ts'
import { GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { maskText } from '../../registry/mask.ts'
import { commandMissing, findCommand } from '../../upstream/command-lookup.ts'
import { checkUpstreamUrl, type UrlPolicy } from '../../upstream/url-guard.ts'

export interface GateParts {
  readonly admin: Config['admin']
  readonly urlPolicy: UrlPolicy
  /** The gateway's own variables: `PATH`, and `COMPOZY_IMAGE` for the advice. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Resolves when the definition may be registered; rejects with the GatewayError that says why not. */
export async function passGate(definition: ServerDefinition, parts: GateParts): Promise<void> {
  if (definition.transport === 'stdio') await checkCommand(definition, parts)
  else await checkUrl(definition.url, parts.urlPolicy)
}

/**
 * Variables that make an allowed program run other code than its own. They are refused only while the
 * allow-list is in force; without it any program may be registered anyway.
 */
const programChanging =
  /^(?:PATH|LD_.*|DYLD_.*|GCONV_PATH|NODE_OPTIONS|NODE_PATH|BUN_.*|PYTHON(?:PATH|HOME|STARTUP)|PERL5(?:LIB|OPT|DB)|RUBY(?:OPT|LIB)|JAVA_TOOL_OPTIONS|BASH_ENV|ENV)$/i

async function checkCommand(definition: ServerDefinition, parts: GateParts): Promise<void> {
  const { stdio, commands } = parts.admin
  const shown = maskText(definition.command)
  if (stdio === 'disabled') {
    throw new GatewayError(
      'COMMAND_FORBIDDEN',
      'Servers that start a process cannot be registered here (admin.stdio is disabled). Add it to the configuration file, or register a server over HTTP.',
    )
  }
  if (commands.length > 0) {
    // Exactly as listed: `npx` does not stand for `/tmp/npx`.
    if (!commands.includes(definition.command)) {
      throw new GatewayError(
        'COMMAND_FORBIDDEN',
        `${shown} is not among the commands that may be registered: ${commands.join(', ')} (admin.commands).`,
      )
    }
    const name = Object.keys(definition.env).find((key) => programChanging.test(key))
    if (name !== undefined) {
      throw new GatewayError(
        'COMMAND_FORBIDDEN',
        `env.${name} could make ${shown} run something else, so it cannot be set while admin.commands is.`,
      )
    }
  }
  // The child is looked up in its own PATH when its definition sets one.
  const { PATH: ownPath } = definition.env
  const { PATH: gatewayPath, COMPOZY_IMAGE: image } = parts.environment
  const cwd = definition.cwd ?? process.cwd()
  if ((await findCommand(definition.command, { path: ownPath ?? gatewayPath, cwd })) === null) {
    throw new GatewayError('COMMAND_NOT_FOUND', commandMissing(shown, image))
  }
}

async function checkUrl(url: string, policy: UrlPolicy): Promise<void> {
  try {
    await checkUpstreamUrl(new URL(url), policy)
  } catch (error) {
    // A host that does not resolve now may do so later; the status will say so, and the transport
    // asks again before each connect.
    if (!(error instanceof GatewayError) || error.code === 'URL_FORBIDDEN') throw error
  }
}
