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
import { checkUpstreamUrl, type UrlPolicy } from '../transports/http/client/url-guard.ts'
import { commandMissing, findCommand, isStandIn } from '../transports/stdio/command-lookup.ts'

/** Resolves when the definition may be registered; rejects with the GatewayError that says why not. */
export type RegistrationGate = (definition: ServerDefinition) => Promise<void>

export interface GateParts {
  readonly admin: Config['admin']
  readonly urlPolicy: UrlPolicy
  /** The gateway's own variables: `PATH`, and `COMPOZY_IMAGE` for the advice. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** The gate of the admin API. */
export function createRegistrationGate(parts: GateParts): RegistrationGate {
  return async (definition) => {
    // A group starts nothing and reaches nothing: its members have passed here themselves.
    if (definition.transport === 'group') return
    if (definition.transport === 'stdio') await checkCommand(definition, parts)
    else await checkUrl(definition.url, parts.urlPolicy)
  }
}

/**
 * Variables that make an allowed program run other code than its own, by loader or interpreter. They are
 * refused only while the allow-list is in force; without it any program may be registered anyway. `HOME`
 * and its like lead a program to start-up files.
 */
const programChanging = new RegExp(
  `^(?:${[
    'PATH|HOME|ZDOTDIR|XDG_(?:CONFIG|DATA)_(?:HOME|DIRS)|SHELL|ENV|BASH_.*|SHELLOPTS|BASHOPTS|PS4|IFS',
    'LD_.*|DYLD_.*|GCONV_PATH|GLIBC_TUNABLES|OPENSSL_(?:CONF|ENGINES|MODULES)',
    'NODE_(?:OPTIONS|PATH|REPL_EXTERNAL_MODULE)|ELECTRON_RUN_AS_NODE|BUN_.*|DENO_(?:DIR|INSTALL_ROOT)',
    'NPM_CONFIG_(?:NODE_OPTIONS|SCRIPT_SHELL|(?:GLOBAL|USER)CONFIG|PREFIX)',
    'PYTHON(?:PATH|HOME|STARTUP|INSPECT|BREAKPOINT|USERBASE|WARNINGS|EXECUTABLE|PYCACHEPREFIX|PLATLIBDIR)',
    'PERL5(?:LIB|OPT|DB)|PERLLIB|RUBY(?:OPT|LIB)|BUNDLE_GEMFILE|GEM_(?:HOME|PATH)|PHPRC|PHP_INI_SCAN_DIR|LUA_.*',
    '_?JAVA_(?:TOOL_)?OPTIONS|JDK_JAVA_OPTIONS|CLASSPATH',
    '(?:DOTNET|CORECLR|COR)_(?:STARTUP_HOOKS|ADDITIONAL_DEPS|SHARED_STORE|ROOT|PROFILER.*|ENABLE_PROFILING)',
    'GIT_(?:SSH.*|EXTERNAL_DIFF|CONFIG.*|EXEC_PATH|TEMPLATE_DIR|PROXY_COMMAND|ASKPASS)|SSH_ASKPASS.*',
    '(?:.*_)?(?:EDITOR|VISUAL|PAGER|BROWSER)',
  ].join('|')})$`,
  'i',
)

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
  const file = await findCommand(definition.command, { path: ownPath ?? gatewayPath, cwd })
  if (file === null || (image === 'distroless' && isStandIn(file))) {
    throw new GatewayError('COMMAND_NOT_FOUND', commandMissing(shown, cwd, image))
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
