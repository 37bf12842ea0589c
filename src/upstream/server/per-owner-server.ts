/**
 * A server that each user has of their own, with credentials that are theirs. What stands under its name is nobody's: it
 * connects to nothing and refuses whoever is nobody in particular. Each user who asks has a whole server of their own
 * (connections, processes, lists, health, secrets), made then from the definition with their values in it, and ended
 * when they have not used it for a while. So no connection, no list and no state can be two users'; all that must be
 * right is who asks, and that is asked in one way (`as`).
 */
import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import { pinAs } from '../../access/pins.ts'
import { GatewayError, gatewayErrorOf } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { takesCallersToken } from '../../registry/oauth/oauth-settings.ts'
import { logWith } from '../../telemetry/log.ts'
import { OwnedCallCounters } from './counters.ts'
import type { ServerOrigin, ServerState, ServerStatus } from './directory.ts'
import type { ServerParts, ServerStanding } from './parts.ts'
import { Server } from './server.ts'

interface Owned {
  readonly server: Server
  /** Why it cannot be used: what it needs is not stored. Null where it can. */
  readonly held: GatewayError | null
  usedAtMs: number
}

/** Users of one server at once. */
const ownersMax = 10_000

export class PerOwnerServer extends Server {
  override readonly perOwner = true
  readonly #parts: ServerParts
  readonly #byOwner = new Map<CredentialOwner, Owned>()
  /** Those that only finish what they have begun. */
  readonly #draining = new Set<Server>()
  #stopped = false

  constructor(
    definition: ServerDefinition,
    origin: ServerOrigin,
    parts: ServerParts,
    standing: ServerStanding,
  ) {
    super(definition, origin, parts, { ...standing, ofUser: nobodys(definition) })
    this.#parts = parts
    parts.ownersExpected(definition)
  }

  override as(owner: CredentialOwner | null): Server {
    if (owner === null || this.disabledAt !== null || this.#stopped) return this
    const known = this.#byOwner.get(owner)
    if (known === undefined) return this.#make(owner).server
    known.usedAtMs = performance.now()
    // What was missing may have been stored meanwhile, by another process too.
    if (known.held === null || this.#filled(owner) instanceof GatewayError) return known.server
    this.#forget(owner, known, true)
    return this.#make(owner).server
  }

  /** Something that this user has stored is another; `ended`: is there no more, and what it is used for ends at once. */
  credentialsChanged(owner: CredentialOwner, ended: boolean): void {
    const known = this.#byOwner.get(owner)
    if (known !== undefined) this.#forget(owner, known, ended)
    this.#parts.ownerChanged(this, owner, 'credentials')
  }

  override get lanes(): number {
    return this.#sum(({ lanes }) => lanes)
  }

  override get processes(): number {
    return this.#sum(({ processes }) => processes)
  }

  override processesOwnedBy(clientKey: string): number {
    return this.#sum((server) => server.processesOwnedBy(clientKey))
  }

  override processesOfOwner(owner: CredentialOwner): number {
    return this.#sum((server) => server.processesOfOwner(owner))
  }

  override settingsChanged(): void {
    super.settingsChanged()
    for (const server of this.#all()) {
      server.settingsChanged()
      // Theirs is that of the whole.
      server.counters.inFlightMax = Number.POSITIVE_INFINITY
    }
  }

  /**
   * It fares as well as the best of them: whoever has stored something wrong makes it no ill server. What a server says
   * of itself to one user may have what they have stored in it, and is not told.
   */
  override status(): ServerStatus {
    const own = super.status()
    if (this.disabledAt !== null) return own
    const used = [...this.#byOwner.values()].filter(({ held }) => held === null)
    const each = used.map(({ server }) => ({ server, status: server.status() }))
    const are = (state: ServerState) => each.find(({ status }) => status.status === state)
    const ill = each.length > 0 && each.every(({ status }) => status.status === 'error') ? each[0] : undefined
    const best = are('connected') ?? ill ?? are('connecting')
    const masked = (text: string | null | undefined): string | null =>
      best === undefined || text === null || text === undefined ? null : best.server.mask(text)
    return {
      ...own,
      ...this.counters.figures(),
      status: best?.status.status ?? 'disconnected',
      since: best?.status.since ?? own.since,
      upTime: best?.status.upTime ?? 0,
      lastConnected: best?.status.lastConnected ?? null,
      lastError: masked(best?.status.lastError),
      lastErrorTime: best?.status.lastErrorTime ?? null,
      reason: ill === undefined ? null : masked(ill.status.reason),
      protocolVersion: best?.status.protocolVersion ?? null,
      era: best?.status.era ?? null,
      restarts: each.reduce((sum, { status }) => sum + status.restarts, 0),
      processes: this.processes,
      users: each.length,
    }
  }

  override announceTools(): void {
    for (const server of this.#all()) server.announceTools()
  }

  override retire(): void {
    super.retire()
    this.#stopped = true
    for (const server of this.#all()) server.retire()
  }

  override async stop(error: GatewayError): Promise<void> {
    this.#stopped = true
    const all = this.#all()
    this.#byOwner.clear()
    await Promise.all([super.stop(error), ...all.map((server) => server.stop(error))])
  }

  override sweep(nowMs: number): void {
    const { laneIdleMs } = this.#parts
    for (const [owner, owned] of this.#byOwner) {
      owned.server.sweep(nowMs)
      if (nowMs - owned.usedAtMs > laneIdleMs && owned.server.isIdle(nowMs, laneIdleMs))
        this.#forget(owner, owned, true)
    }
    for (const server of this.#draining) server.sweep(nowMs)
  }

  #all(): Server[] {
    return [...[...this.#byOwner.values()].map(({ server }) => server), ...this.#draining]
  }

  #sum(of: (server: Server) => number): number {
    return this.#all().reduce((sum, server) => sum + of(server), 0)
  }

  #make(owner: CredentialOwner): Owned {
    if (this.#byOwner.size >= ownersMax)
      throw new GatewayError('SESSIONS_EXHAUSTED', `${ownersMax} users have ${this.name} open.`, 30)
    const filled = this.#filled(owner)
    const held = filled instanceof GatewayError ? filled : null
    const definition = filled instanceof GatewayError ? this.definition : filled
    const counters = new OwnedCallCounters(this.name, this.counters)
    const server = new Server(definition, this.origin, this.#partsOf(owner), {
      disabledAt: null,
      output: this.output,
      settledBefore: true,
      ofUser: { owner, held, counters },
    })
    const owned = { server, held, usedAtMs: performance.now() }
    this.#byOwner.set(owner, owned)
    return owned
  }

  #filled(owner: CredentialOwner): ServerDefinition | GatewayError {
    try {
      return this.#parts.filled(this.definition, owner)
    } catch (thrown) {
      return gatewayErrorOf(thrown)
    }
  }

  /** What one user's server may use of the gateway: all that the others may, and what it says concerns this one. */
  #partsOf(owner: CredentialOwner): ServerParts {
    const parts = this.#parts
    // By inheritance: the settings in it are those in force, whenever they are read.
    const own = Object.create(parts) as ServerParts
    return Object.assign(own, {
      openAccess: false,
      log: logWith(parts.log, { owner }),
      stateChanged: () => {
        if (this.#byOwner.get(owner)?.server.state === 'connected')
          parts.ownerChanged(this, owner, 'connected')
      },
      pin: (definition) => pinAs(definition, this.definition),
      // Never with what is in the definition of one user.
      goesOnAs: (_server, { transport, transportGuessed = false }) =>
        parts.goesOnAs(this, { ...this.definition, transport, transportGuessed }),
    } satisfies Partial<ServerParts>)
  }

  /** Takes no new calls of this user there; those in flight may finish unless `atOnce`. */
  #forget(owner: CredentialOwner, { server }: Owned, atOnce: boolean): void {
    this.#byOwner.delete(owner)
    void this.#drain(server, atOnce ? 0 : this.#parts.callTotalMs)
  }

  async #drain(server: Server, waitMs: number): Promise<void> {
    this.#draining.add(server)
    server.retire()
    if (waitMs > 0) await server.finishCalls(performance.now() + waitMs)
    await server.stop(
      new GatewayError('UPSTREAM_CLOSED', `What you have of ${this.name} has ended; try again.`),
    )
    this.#draining.delete(server)
  }
}

/** What stands under the name, for whoever is nobody in particular. */
function nobodys({ name, oauth }: ServerDefinition): NonNullable<ServerStanding['ofUser']> {
  const held = new GatewayError(
    'CREDENTIAL_MISSING',
    oauth !== undefined && takesCallersToken(oauth)
      ? `${name} is called as whoever comes with an access token of ${oauth.identityProvider?.issuer ?? oauth.issuer}, and a token of the configuration, or none, is nobody in particular: come with one.`
      : `Each user has credentials of their own for ${name}, and a token of the configuration, or none, is nobody in particular: come with a key, or sign in.`,
  )
  return { owner: null, held, counters: null }
}
