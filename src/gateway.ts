/**
 * The composition root: configuration → parts → { url, stop }. Read it aloud and you know the product.
 *
 * Only this file names concrete parts together. Stopping closes their owners in order: health says 503 and
 * new requests are refused, calls in flight finish within the shutdown time-out, sessions and streams end,
 * children end as groups, the port closes, the log is flushed.
 */
import { version } from '../package.json'
import { ApprovalsOpener } from './approvals/open-approvals.ts'
import { type Audit, openAudit } from './audit/audit.ts'
import type { Cluster } from './cluster/cluster.ts'
import { openStoreOrCluster } from './cluster/open-cluster.ts'
import type { WorkerLink } from './cluster/workers/worker-link.ts'
import { adminTokenDoubt } from './config/doubts.ts'
import type { Config } from './config/schema.ts'
import { CredentialsOpener } from './credentials/open-credentials.ts'
import { drainingError, reasonOf } from './errors.ts'
import { Directory } from './group/directory.ts'
import { createApp } from './http/app.ts'
import { warnOfDefinitions } from './http/definition-warnings.ts'
import { type Access, createAccess } from './http/hooks/access.ts'
import { rulesOf } from './http/hooks/rules.ts'
import { type Listener, type ServingState, startListener } from './http/listener.ts'
import { endClientsOf, endExpired, endUnadmitted, keysChanged } from './http/revocation.ts'
import { adminRoutes } from './http/routes/admin/admin.ts'
import { stateTeller } from './http/routes/admin/events.ts'
import { NameOrder } from './http/routes/admin/name-order.ts'
import { AdminStreams } from './http/routes/admin/streams.ts'
import { mcpParts } from './http/routes/mcp.ts'
import { figureSource } from './http/routes/metrics.ts'
import { messageHandler, sseHandler } from './http/routes/sse.ts'
import { streamHandler } from './http/routes/stream.ts'
import { hasEnded, IdentityOpener } from './identity/open-identity.ts'
import type { ServerDefinition } from './registry/definition.ts'
import type { StateLock } from './registry/storage/state-lock.ts'
import type { DefinitionStore } from './registry/storage/store.ts'
import type { ReloadPlan, ReloadReport } from './reload/plan.ts'
import { type ConfigurationSource, Reload, type ReloadCause } from './reload/reload.ts'
import { SettingsInForce } from './reload/settings.ts'
import { ByteLedger } from './runtime/byte-ledger.ts'
import { IdleMemory } from './runtime/idle-memory.ts'
import { ownBytes } from './runtime/resident-memory.ts'
import { Sweeper } from './runtime/sweeper.ts'
import { Sessions } from './session/legacy/sessions.ts'
import type { ModernCallDriver } from './session/modern/call-driver.ts'
import { ModernRequests } from './session/modern/requests.ts'
import { Events } from './telemetry/events.ts'
import type { Log, ProcessLog } from './telemetry/log.ts'
import { createMetrics, type Metrics, type ProcessMetrics } from './telemetry/metrics.ts'
import { createLog } from './telemetry/pino.ts'
import { createMask } from './telemetry/redaction.ts'
import { openTraces, type Traces } from './telemetry/traces/open-traces.ts'
import { createSecretsOf, openTransport } from './upstream/server/open-transport.ts'
import { type ServerSurroundings, serverSettingsOf } from './upstream/server/parts.ts'
import { createRegistrationGate, type RegistrationGate } from './upstream/server/registration-gate.ts'
import { Servers } from './upstream/server/servers.ts'
import type { UrlPolicy } from './upstream/transports/http/client/url-guard.ts'
import { Watchdog } from './upstream/transports/stdio/watchdog.ts'

export interface Gateway {
  /** `http://host:port` of the listener, no trailing slash. */
  readonly url: string
  /** The servers it began with: those of the file, then those of the store. */
  readonly servers: readonly ServerDefinition[]
  /** HTTP requests so far. */
  readonly requestCount: number
  /** Resolves when everything is closed, however that came about. */
  readonly stopped: Promise<void>
  /** Drains within the shutdown time-out, then closes. */
  stop(): Promise<void>
  /** Ends children and sockets without waiting. */
  stopNow(): void
  /** How long a stop waits for calls at most. */
  readonly shutdownTimeoutMs: number
  /** How many calls a stop waits for, by server; those without any are left out. */
  callsInFlight(): ReadonlyMap<string, number>
  /** Reads the configuration again and goes on with it; says in the log what has changed, or why nothing has. */
  reload(cause: ReloadCause): Promise<ReloadReport>
  /** Opens the files of the log and of the audit again. */
  reopenFiles(): void
  readonly log: Log
}

/**
 * Resolves once the port is bound. Rejects when it cannot be, or when a rule or the store makes no sense. `worker` is
 * what this process has in common with the other workers of a gateway; absent where it is all of it.
 */
export async function startGateway(source: ConfigurationSource, worker?: WorkerLink): Promise<Gateway> {
  const settings = new SettingsInForce(source.config, source)
  const { bounds, config } = settings
  const log = await createLog(config.logging)
  const audit = await openAudit(log, settings, () => ({ directory, access, identities, store }))
  const { rules, exposure } = rulesOf(config, log)
  const { store, lock, cluster, abandon, ...place } = await openStoreOrCluster(config, version, log, worker)
  // What clients have open: sessions, and the requests that stand alone.
  const ledger = new ByteLedger(bounds)
  const sessions = new Sessions(bounds, ledger)
  const requests = new ModernRequests<ModernCallDriver>(bounds, ledger)
  // The servers behind the gateway.
  const watchdog = new Watchdog(log)
  const state: ServingState = { draining: false, listening: null }
  const urlPolicy = urlPolicyOf(settings, state)
  const [metrics, events] = [createMetrics(), new Events()]
  const around = { store, log, settings, servers: () => servers }
  const approvals = new ApprovalsOpener(around)
  const credentials = new CredentialsOpener({ ...around, ...place, urlPolicy, state })
  const needs = { log, metrics, watchdog, sessions, store, urlPolicy, approvals, credentials }
  const servers: Servers = new Servers(serverParts(settings, needs))
  // Servers and groups of them; who may come, and whose work ends when a server or its tokens go.
  const clients = { sessions, requests, ledger }
  const behind = { settings, store, servers, metrics, log }
  const directory = new Directory({ ...behind, ...clients, access: () => access })
  const identities = new IdentityOpener(log, urlPolicy, () => settings.config, {
    ...{ ...place, store, callers: credentials.logins.callers },
  })
  const [identity] = await Promise.all([identities.open(config), approvals.open(config.servers)])
  const whoIs = [() => identities.signIn, () => identities.keys] as const
  const access = createAccess(rules, directory, identity, ...whoIs)
  const signIn = () => identities.loadSignIn((principal) => access.current(principal))
  if (exposure !== null && !access.decider.keysAsk) log.warn({}, exposure)
  const streams = new AdminStreams(ledger, bounds)
  directory.subscribe(endClientsOf({ sessions, requests, access, servers: directory, streams }))
  identities.whenKeysChange(() => keysChanged({ sessions, requests, access, directory, streams }))
  servers.subscribe(stateTeller(servers, events))
  // The front door.
  const traces = await openTraces(log, (name) => servers.get(name)?.definition.url ?? null)
  const recorder = { log, metrics, events, audit, traces }
  const mcp = mcpParts(bounds, { servers, groups: directory, ...clients, log, recorder, access })
  const order = new NameOrder()
  const app = createApp({
    ...{ directory, state, log },
    identity: () => access.identity,
    me: { access, settings, signIn, credentials: credentials.forUsers(directory) },
    connect: credentials.logins.door(access, signIn),
    metrics: figureSource({ ...behind, directory, requests, audit, traces, cluster, credentials }, worker),
    admin: adminRoutes({
      directory: worker?.wholeServers(directory) ?? directory,
      ...{ store, log, streams, order, approvals, credentials, recorder, settings, mcp },
      config: { limits: bounds, secretDirs: config.secrets.dirs },
      gate: gateOf(settings, urlPolicy),
      ...{ groups: directory.reports, cluster: () => cluster?.status() ?? null },
      access: directory.accessTeller({ settings, identities, access }),
      keys: () => identities.loadKeys(),
      closedReason: (name) => access.closedReason(name),
      doubtAbout: (definition) => adminTokenDoubt(definition, settings.config.auth.adminTokens),
      reload: (shown) => (worker ?? gateway).reload({ shown, deliberate: true, byRequest: true }),
    }),
    mcp: { stream: streamHandler(mcp), sse: sseHandler(mcp), message: messageHandler(mcp) },
  })
  await cluster?.openForward({ mcp, access, recorder, identities, credentials, bounds })
  const door = { ...config, relay: worker?.relay, access, app, state, ...recorder }
  const listener = await startListener(door).catch(abandon)
  lock?.announce(listener.url)
  // The port is ours from here on; a gateway that cannot listen has started no child.
  addServers(config, directory, store, log)
  warnOfDefinitions(config, directory, access, identities.keys, log)
  const open = { access, audit, approvals, identities, lock, directory, streams, watchdog, traces, cluster }
  const parts = { ...behind, ...clients, ...open }
  await cluster?.begin({ ...parts, order, bounds, credentials, events })
  const gateway = running({ ...parts, listener, sweeper: startSweeper(parts), source, order })
  return gateway
}

function urlPolicyOf(settings: SettingsInForce, state: ServingState): UrlPolicy {
  return {
    get privateUpstreams() {
      return settings.config.security.privateUpstreams
    },
    ownListener: () => state.listening,
  }
}

function gateOf(settings: SettingsInForce, urlPolicy: UrlPolicy): RegistrationGate {
  return createRegistrationGate({
    get admin() {
      return settings.config.admin
    },
    urlPolicy,
    environment: process.env,
  })
}

/** Lets time pass for whoever owns something that expires. */
function startSweeper(
  parts: Omit<RunningParts, 'source' | 'lock' | 'order' | 'watchdog' | 'listener' | 'sweeper'>,
): Sweeper {
  const { log, audit, metrics, access, identities, sessions, requests, servers, directory, streams } = parts
  const failed = (thrown: unknown) => log.error({ reason: reasonOf(thrown) }, 'a sweep failed')
  const sweeper = new Sweeper(failed, metrics.loopLagged)
  const idleMemory = new IdleMemory({ ownBytes, collect: () => Bun.gc(true) })
  const owners = [sessions, requests, servers, directory, streams, identities, log, audit]
  // Bound: one closure for all would look hot to the compilers of a gateway in which nothing happens.
  for (const owner of owners) sweeper.add(owner.sweep.bind(owner))
  sweeper.add(() => endExpired({ sessions, requests, access, streams }, hasEnded))
  sweeper.add((nowMs) => idleMemory.sweep(servers.inFlight, sessions.ended, nowMs))
  return sweeper
}

interface RunningParts {
  readonly approvals: ApprovalsOpener
  /** Null where this gateway is alone. */
  readonly cluster: Cluster | null
  readonly identities: IdentityOpener
  readonly source: ConfigurationSource
  readonly settings: SettingsInForce
  readonly log: ProcessLog
  readonly audit: Audit
  readonly metrics: ProcessMetrics
  readonly traces: Traces
  readonly access: Access
  readonly store: DefinitionStore
  /** Null where nothing is kept. */
  readonly lock: StateLock | null
  readonly order: NameOrder
  readonly sessions: Sessions
  readonly requests: ModernRequests<ModernCallDriver>
  readonly servers: Servers
  readonly directory: Directory
  readonly streams: AdminStreams
  readonly watchdog: Watchdog
  readonly listener: Listener
  readonly sweeper: Sweeper
}

function running(parts: RunningParts): Gateway {
  const { source, settings, log, audit, listener, servers, directory, store, sweeper, order } = parts
  const stopped = Promise.withResolvers<void>()
  let ending: Promise<void> | null = null
  const reload = new Reload({
    source,
    settings,
    log,
    storedNames: () => store.list().map(({ name }) => name),
    apply: (plan) => applyPlan(parts, plan),
    ended: ({ shown, byRequest }, taken) => {
      if (byRequest !== true) audit.trail?.reloaded(shown, taken)
    },
    sweep: (sweep) => sweeper.add(sweep),
    ...{ registered: directory, listener },
    inOrder: (name, work) => order.run(name, work),
  })
  return {
    url: listener.url,
    servers: directory.list().map(({ definition }): ServerDefinition => definition),
    get requestCount() {
      return listener.requestCount
    },
    stopped: stopped.promise,
    stop() {
      void reload.close()
      ending ??= end(parts, performance.now() + settings.config.shutdownTimeoutMs).finally(stopped.resolve)
      return ending
    },
    stopNow() {
      void reload.close()
      void end(parts, 0).finally(stopped.resolve)
    },
    get shutdownTimeoutMs() {
      return settings.config.shutdownTimeoutMs
    },
    callsInFlight: () => servers.callsInFlight(),
    reload: (cause) => reload.run(cause),
    reopenFiles() {
      for (const file of [log, audit]) file.reopen()
    },
    log,
  }
}

/**
 * Servers start so long after the port is open: starting a process stops the loop for about 10 ms, and whoever has
 * waited for the port is answered before that.
 */
const firstAnswerMs = 5
const flushMs = 500
/** Servers and sockets may take this long to close even when the shutdown time-out is over. */
const closingMs = 700

async function end(parts: RunningParts, untilMs: number): Promise<void> {
  const { log, audit, store, lock, identities, sessions, requests, servers, streams, watchdog } = parts
  const { listener, sweeper, traces, cluster } = parts
  log.info({}, 'stopping')
  await listener.drain(cluster && (() => cluster.drain(untilMs)))
  const error = drainingError()
  // A subscription never finishes by itself.
  requests.abortWhere(({ endless }) => endless, error)
  await servers.finishCalls(untilMs)
  sessions.closeWhere(() => true, error)
  requests.abortWhere(() => true, error)
  const closeMs = Math.max(closingMs, untilMs - performance.now())
  // What they tell of their end still reaches those who follow.
  const serversStopped = servers.stop(error).then(() => streams.closeWhere(() => true))
  const closed = Promise.all([serversStopped, listener.stop(closeMs)]).then(() => true)
  if (!(await Promise.race([closed, Bun.sleep(closeMs + 50).then(() => false)])))
    log.warn({}, 'some processes do not end by themselves; the watchdog ends them')
  sweeper.stop()
  watchdog.close()
  identities.close()
  await cluster?.close()
  store.close()
  lock?.release()
  log.info({}, 'stopped')
  await Promise.all([audit.close(flushMs), traces.close(flushMs)])
  await log.flush(flushMs)
}

/** Rejects, and has changed nothing, when a rule makes no sense or the log file cannot be opened. */
async function applyPlan(parts: RunningParts, { config, report }: ReloadPlan): Promise<void> {
  const { settings, log, audit, access, approvals, servers, directory, store, order, identities } = parts
  const { rules, exposure } = rulesOf(config, log)
  await audit.take(config)
  await log.take(config.logging).catch(async (thrown: unknown) => {
    await audit.take(settings.config)
    throw thrown
  })
  settings.take(config)
  access.reload(rules, await identities.open(config))
  if (exposure !== null && !access.decider.keysAsk) log.warn({}, exposure)
  servers.take(serverSettingsOf(config))
  const { added, changed, removed } = report.applied.servers
  const fromFile = new Map(config.servers.map((definition) => [definition.name, definition]))
  const change = async (name: string): Promise<void> => {
    const ofFile = fromFile.get(name)
    const definition = ofFile ?? store.get(name)
    const origin = ofFile === undefined ? 'store' : 'file'
    const known = directory.get(name) !== undefined
    if (definition === undefined) await (known ? directory.remove(name) : undefined)
    else if (known) directory.replace(definition, origin)
    else directory.add(definition, origin)
  }
  await Promise.all(
    [...added, ...changed, ...removed].map((name) =>
      order
        .run(name, () => change(name))
        .catch((thrown: unknown) => {
          log.error(
            { mcp: name, reason: reasonOf(thrown) },
            'the server could not be taken from the configuration',
          )
        }),
    ),
  )
  await approvals.take()
  endUnadmitted(parts)
  directory.accessChanged()
  warnOfDefinitions(settings.config, directory, access, identities.keys, log)
}

interface ServerNeeds extends Pick<RunningParts, 'approvals' | 'watchdog'> {
  readonly log: Log
  readonly metrics: Metrics
  readonly sessions: Pick<Sessions, 'countOf'>
  readonly store: Pick<DefinitionStore, 'disabledAt'>
  readonly urlPolicy: UrlPolicy
  readonly credentials: CredentialsOpener
}

/** What servers may use of the rest of the gateway, and the settings that they need. */
function serverParts(settings: SettingsInForce, needs: ServerNeeds): ServerSurroundings {
  const { log, metrics, watchdog, sessions, store, urlPolicy, approvals, credentials } = needs
  const secretsOf = createSecretsOf(process.env, settings.config.security.childEnvironment)
  return {
    log,
    metrics,
    identity: { name: 'compozy-mcp-proxy', version },
    maskOf: (definition) => createMask(secretsOf(definition)),
    createTransport: (definition, owner) => {
      const tokens = credentials.logins.tokens(definition, owner)
      const { config } = settings
      return openTransport(definition, secretsOf(definition), config, urlPolicy, watchdog, log, tokens)
    },
    disabledAt: (name) => store.disabledAt(name),
    pin: (definition) => approvals.pin(definition),
    ...credentials.forServers,
    sessionCount: (name) => sessions.countOf(name),
    ...serverSettingsOf(settings.config),
  }
}

/** The file wins over the store: what a person wrote down is not overruled by an earlier call. */
function addServers(config: Config, directory: Directory, store: DefinitionStore, log: Log): void {
  for (const definition of config.servers) directory.add(definition, 'file', firstAnswerMs)
  for (const definition of store.list()) {
    if (directory.get(definition.name) === undefined) directory.add(definition, 'store', firstAnswerMs)
    else
      log.warn(
        { mcp: definition.name },
        'the configuration file defines this server; the registered one is not used',
      )
  }
}
