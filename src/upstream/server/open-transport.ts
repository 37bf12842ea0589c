/** Chooses the transport that a definition asks for, with the settings that it needs. */
import type { Config } from '../../config/schema.ts'
import { GatewayError } from '../../errors.ts'
import { outgoingProxies } from '../../net/outgoing-proxy.ts'
import type { ServerDefinition, UpstreamTls } from '../../registry/definition.ts'
import { definitionToWire, secretValuesOf, urlSecrets } from '../../registry/definition-wire.ts'
import { isSecretName, isWorthHiding } from '../../registry/secret-looking.ts'
import { userNamesOf, withoutUserEscapes } from '../../registry/secrets/user-values.ts'
import type { Log } from '../../telemetry/log.ts'
import { createMask, maskStart } from '../../telemetry/redaction.ts'
import { ServerBudget } from '../transports/flood-guard.ts'
import type { TlsMaterial } from '../transports/http/client/fetch.ts'
import type { HttpOptions } from '../transports/http/client/http-client.ts'
import type { TokenSource } from '../transports/http/client/token-source.ts'
import { type UrlPolicy, upstreamGuard } from '../transports/http/client/url-guard.ts'
import { addressNames, childEnvironment } from '../transports/stdio/child-environment.ts'
import { createStdioTransport, type GroupWatch, type ProcessWatch } from '../transports/stdio/stdio.ts'
import type { MadeTransport, TransportReceiver, UpstreamTransport } from '../transports/transport.ts'

/**
 * What is taken out of all that servers print: the secrets of their definitions, and those of the gateway's own
 * environment that processes inherit. The same list for the same definition.
 */
export function createSecretsOf(
  environment: Readonly<Record<string, string | undefined>>,
  more: readonly string[],
): (definition: ServerDefinition) => readonly string[] {
  const inherited = inheritedSecrets(environment, more)
  if (inherited.length === 0) return secretValuesOf
  const lists = new WeakMap<ServerDefinition, readonly string[]>()
  return (definition) => {
    const list = lists.get(definition) ?? [...secretValuesOf(definition), ...inherited]
    lists.set(definition, list)
    return list
  }
}

/** Credentials in the URLs of proxies and indexes; whole what `security.child_environment` adds. */
function inheritedSecrets(
  environment: Readonly<Record<string, string | undefined>>,
  more: readonly string[],
): string[] {
  const added = more.flatMap((name) => {
    const value = environment[name] ?? ''
    return isWorthHiding(value, isSecretName(name)) ? [value] : []
  })
  const urls = addressNames.flatMap((name) => environment[name]?.match(/\S+/g) ?? [])
  // `name=https://…` names an index; proxies may lack their scheme.
  const secrets = urls.flatMap((text) =>
    urlSecrets(/[a-z][a-z\d+.-]*:\/\/.*/i.exec(text)?.[0] ?? `http://${text}`),
  )
  return [...new Set([...added, ...secrets])]
}

/**
 * A transport for this server, not opened yet; `secrets` are taken out of what it reports. Throws SERVER_UNAVAILABLE
 * for one whose own secrets could not be had. A process has its own at once.
 */
export function openTransport(
  definition: ServerDefinition,
  secrets: readonly string[],
  config: Pick<Config, 'limits' | 'timeouts' | 'security'>,
  urlPolicy: UrlPolicy,
  groupWatch: GroupWatch,
  log: Log,
  tokens: TokenSource | null = null,
): MadeTransport {
  const { limits, timeouts } = config
  if (definition.unread !== undefined) throw new GatewayError('SERVER_UNAVAILABLE', definition.unread)
  const { env, headers } = forUser(definition)
  if (definition.transport === 'stdio')
    return createStdioTransport({
      command: definition.command,
      args: definition.args,
      env: childEnvironment(process.env, env, config.security.childEnvironment),
      cwd: definition.cwd,
      lineBytesMax: limits.lineBytesMax,
      inputQueueCharsMax: limits.lineBytesMax,
      stopGraceMs: timeouts.stopGraceMs,
      secrets,
      groupWatch,
      processWatch: log.debugging === true ? processLines(definition, secrets, log) : null,
    })
  const proxies = outgoingProxies(process.env)
  const options = {
    url: definition.url,
    headers,
    lineBytesMax: limits.lineBytesMax,
    secrets,
    proxies,
    tls: definition.tls === undefined ? null : tlsMaterial(definition.tls),
    guardUrl: upstreamGuard(urlPolicy, proxies),
    tokens,
  }
  return definition.transport === 'sse' ? sseTransport(options) : streamableHttpTransport(options)
}

/** Loaded when the first server wants it, like the other: behind many gateways every server is a process. */
async function sseTransport(options: HttpOptions): Promise<UpstreamTransport> {
  const { createSseTransport } = await import('../transports/http/sse.ts')
  return createSseTransport(options)
}

async function streamableHttpTransport(options: HttpOptions): Promise<UpstreamTransport> {
  const { createStreamableHttpTransport } = await import('../transports/http/streamable-http.ts')
  return createStreamableHttpTransport(options)
}

/** `env` and `headers` as they are sent; throws for a definition that nobody's values were put into and that needs some. */
function forUser(definition: ServerDefinition): Pick<ServerDefinition, 'env' | 'headers'> {
  const { env, headers, name, userValues } = definition
  if (userValues !== undefined) return definition
  if (userNamesOf(definition).length > 0)
    throw new GatewayError(
      'CREDENTIAL_MISSING',
      `${name} takes credentials of each user, and is started for each of them alone.`,
    )
  return { env: withoutUserEscapes(env), headers: withoutUserEscapes(headers) }
}

/** What is given of it; an empty text would be taken for a certificate. */
function tlsMaterial({ ca, cert, key }: UpstreamTls): TlsMaterial {
  return { ...(ca === '' ? {} : { ca }), ...(cert === '' ? {} : { cert, key }) }
}

/** What is logged of a command line. */
const commandCharsMax = 1_000

/** A debug line for each process, with what it was started as; credentials in the arguments are masked. */
function processLines(definition: ServerDefinition, secrets: readonly string[], log: Log): ProcessWatch {
  const { name, cwd } = definition
  const { command = '', args = [] } = definitionToWire(definition)
  const started = maskStart(createMask(secrets), [command, ...args].join(' '), commandCharsMax)
  return {
    started: (pid) =>
      log.debug({ mcp: name, pid, command: started, cwd: cwd ?? undefined }, 'process started'),
    ended: (pid, exitCode, signal) => log.debug({ mcp: name, pid, exitCode, signal }, 'process ended'),
  }
}

/** Longest look for a stream. */
const lookMsMax = 10_000

/** Whether this wire can be opened; it is closed again. */
export async function opensStream(transport: UpstreamTransport, withinMs: number): Promise<boolean> {
  try {
    await transport.open(deafReceiver(), AbortSignal.timeout(Math.min(withinMs, lookMsMax)))
    return true
  } catch {
    return false
  } finally {
    await transport.close()
  }
}

function deafReceiver(): TransportReceiver {
  return {
    budget: new ServerBudget(),
    message() {},
    large: () => true,
    settled: () => true,
    openEntry: () => null,
    requestFailed() {},
    sessionLost() {},
    sessionDoubted() {},
    closed() {},
    unasked() {},
    noise() {},
  }
}
