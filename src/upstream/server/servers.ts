/** Every registered server by name: the only owner of supervisors. */
import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import { GatewayError, serverUnknownError } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { isOfEachUser } from '../../registry/secrets/user-values.ts'
import type { ServerDirectory, ServerOrigin, Trial, TrialPatience } from './directory.ts'
import { OutputTail } from './output-tail.ts'
import type { OwnerChange, ServerParts, ServerSettings, ServerStanding, ServerSurroundings } from './parts.ts'
import { PerOwnerServer } from './per-owner-server.ts'
import { Server } from './server.ts'
import { disabledError } from './supervisor.ts'
import { Trials } from './trial.ts'

/** Told of what concerns the clients of a server. */
export interface ServersListener {
  /** It is gone, and so are its sessions. */
  removed(name: string): void
  /** It is about to be: what can end well should do so now. */
  leaving(name: string): void
  /** It goes on under another definition, perhaps with other tokens. */
  replaced(name: string, before: ServerDefinition): void
  /** It is registered, and connecting. */
  added?(name: string): void
  /** It is connected, or is so no longer. */
  stateChanged?(name: string): void
  /** What one user has of it is connected, or another than before. */
  ownerChanged?(name: string, owner: CredentialOwner, what: OwnerChange): void
}

/** How long calls in flight may go on at a server that is restarted or switched off. */
const endingMs = 10_000

export class Servers implements ServerDirectory {
  readonly #parts: ServerParts
  readonly #byName = new Map<string, Server>()
  /** Replaced servers that still finish calls, and those that are tried. */
  readonly #draining = new Set<Server>()
  readonly #listeners: ServersListener[] = []
  /** Child processes that other processes of this gateway have; they are told of the own ones. */
  processesElsewhere: (own: number) => number = () => 0
  readonly #trials = new Trials()

  constructor(parts: ServerSurroundings) {
    const goesOnAs: ServerParts['goesOnAs'] = (server, definition) => {
      if (this.#byName.get(server.name) !== server) return false
      this.replace(definition)
      return true
    }
    const processesOwnedBy: ServerParts['processesOwnedBy'] = (clientKey) =>
      this.#all().reduce((sum, server) => sum + server.processesOwnedBy(clientKey), 0)
    const stateChanged: ServerParts['stateChanged'] = (server) => {
      if (this.#byName.get(server.name) !== server) return
      for (const listener of this.#listeners) listener.stateChanged?.(server.name)
    }
    const ownerChanged: ServerParts['ownerChanged'] = (server, owner, what) => {
      if (this.#byName.get(server.name) !== server) return
      for (const listener of this.#listeners) listener.ownerChanged?.(server.name, owner, what)
    }
    const processesOfOwner: ServerParts['processesOfOwner'] = (owner) =>
      this.#all().reduce((sum, server) => sum + server.processesOfOwner(owner), 0)
    const processesInUse = () => {
      const own = this.processes
      return own + this.processesElsewhere(own)
    }
    const counts = { processesInUse, processesOwnedBy, processesOfOwner }
    this.#parts = { ...parts, goesOnAs, stateChanged, ownerChanged, ...counts }
  }

  /** Goes on with these settings: calls, connections and processes that are there keep to them too. */
  take(settings: ServerSettings): void {
    Object.assign(this.#parts, settings)
    for (const server of this.#all()) server.settingsChanged()
  }

  /** Tells `listener` from now on. */
  subscribe(listener: ServersListener): void {
    this.#listeners.push(listener)
  }

  list(): readonly Server[] {
    return [...this.#byName.values()]
  }

  get(name: string): Server | undefined {
    return this.#byName.get(name)
  }

  /** What this user has of the server of that name: what everybody has, where nobody has one of their own. */
  of(name: string, owner: CredentialOwner | null): Server | undefined {
    return this.#byName.get(name)?.as(owner)
  }

  /** Something that this user has stored for a server is another; `ended`: is there no more. */
  credentialsChanged(name: string, owner: CredentialOwner, ended: boolean): void {
    const server = this.#byName.get(name)
    if (server instanceof PerOwnerServer) server.credentialsChanged(owner, ended)
  }

  /** The server of that name. Throws SERVER_UNKNOWN. */
  require(name: string): Server {
    const server = this.#byName.get(name)
    if (server) return server
    throw serverUnknownError(name)
  }

  /** Child processes of all servers together. */
  get processes(): number {
    return this.#all().reduce((sum, server) => sum + server.processes, 0)
  }

  /** Calls in flight at all servers together. */
  get inFlight(): number {
    let sum = 0
    for (const { counters } of this.#byName.values()) sum += counters.inFlight
    for (const { counters } of this.#draining) sum += counters.inFlight
    return sum
  }

  /** Calls in flight by server, those of the servers that were replaced included; servers without any are left out. */
  callsInFlight(): ReadonlyMap<string, number> {
    const calls = new Map<string, number>()
    for (const { name, counters } of this.#all())
      if (counters.inFlight > 0) calls.set(name, (calls.get(name) ?? 0) + counters.inFlight)
    return calls
  }

  /** Takes a server in, which begins connecting after `startDelayMs` unless it is switched off. Throws DEFINITION_EXISTS. */
  add(definition: ServerDefinition, origin: ServerOrigin, startDelayMs = 0): Server {
    if (this.#byName.has(definition.name))
      throw new GatewayError('DEFINITION_EXISTS', `A server named ${definition.name} is already registered.`)
    const output = new OutputTail(this.#parts.log)
    const standing = { disabledAt: this.#parts.disabledAt(definition.name), output, settledBefore: false }
    const server = this.#make(definition, origin, standing)
    this.#byName.set(definition.name, server)
    this.#parts.metrics.serverAdded(definition.name)
    server.start(startDelayMs === 0 ? null : Bun.sleep(startDelayMs))
    for (const listener of this.#listeners) listener.added?.(definition.name)
    return server
  }

  /** Puts this definition in the place of one; the server stays where it was defined unless `origin` is given. */
  replace(definition: ServerDefinition, origin?: ServerOrigin): Server {
    const { server, old } = this.#inPlaceOf(definition.name, { definition, ...(origin && { origin }) })
    server.start(null)
    const error = new GatewayError('UPSTREAM_CLOSED', `The server ${server.name} was replaced.`)
    void this.#drain(old, this.#parts.callTotalMs, error)
    for (const listener of this.#listeners) listener.replaced(definition.name, old.definition)
    return server
  }

  /** The new process begins when the old one is gone: both may want the same file, port or profile. */
  async restart(name: string): Promise<void> {
    const { server, old } = this.#inPlaceOf(name, {})
    const error = new GatewayError('UPSTREAM_CLOSED', `The server ${name} was restarted.`)
    const ended = this.#drain(old, endingMs, error)
    server.start(ended)
    await ended
  }

  async disable(name: string, disabledAt: string): Promise<void> {
    const { old } = this.#inPlaceOf(name, { disabledAt })
    await this.#drain(old, endingMs, disabledError(name))
  }

  enable(name: string): void {
    const { server, old } = this.#inPlaceOf(name, { disabledAt: null })
    server.start(this.#drain(old, endingMs, disabledError(name)))
  }

  try(definition: ServerDefinition, patience: TrialPatience): Promise<Trial> {
    return this.#trials.run(definition, this.#parts, this.#draining, patience)
  }

  async remove(name: string): Promise<void> {
    const server = this.#byName.get(name)
    if (!server) throw new GatewayError('SERVER_UNKNOWN', `There is no server named ${name}.`)
    this.#byName.delete(name)
    for (const listener of this.#listeners) listener.leaving(name)
    const stopped = server.stop(new GatewayError('UPSTREAM_CLOSED', `The server ${name} was removed.`))
    for (const listener of this.#listeners) listener.removed(name)
    await stopped
    server.output.close()
    // Somebody may have registered that name again meanwhile.
    if (!this.#byName.has(name)) this.#parts.metrics.serverRemoved(name)
  }

  sweep(nowMs: number): void {
    for (const server of this.#byName.values()) server.sweep(nowMs)
    for (const server of this.#draining) server.sweep(nowMs)
  }

  /** Resolves when no server has a call in flight, or at `untilMs`. */
  async finishCalls(untilMs: number): Promise<void> {
    await Promise.all(this.#all().map((server) => server.finishCalls(untilMs)))
  }

  /** Ends every server and its processes; calls in flight fail with this error. */
  async stop(error: GatewayError): Promise<void> {
    const all = this.#all()
    await Promise.all(all.map((server) => server.stop(error)))
    for (const { output } of all) output.close()
  }

  #make(definition: ServerDefinition, origin: ServerOrigin, standing: ServerStanding): Server {
    const Kind = isOfEachUser(definition) ? PerOwnerServer : Server
    return new Kind(definition, origin, this.#parts, standing)
  }

  #all(): Server[] {
    return [...this.#byName.values(), ...this.#draining]
  }

  /** Puts another one, not started yet, in the place of the server of that name. */
  #inPlaceOf(
    name: string,
    change: Partial<Pick<Server, 'definition' | 'origin' | 'disabledAt'>>,
  ): { readonly server: Server; readonly old: Server } {
    const old = this.#byName.get(name)
    if (!old) throw new GatewayError('SERVER_UNKNOWN', `There is no server named ${name}.`)
    const { definition = old.definition, origin = old.origin, disabledAt = old.disabledAt } = change
    const standing = { disabledAt, output: old.output, settledBefore: old.settled() }
    const server = this.#make(definition, origin, standing)
    this.#byName.set(name, server)
    for (const listener of this.#listeners) listener.stateChanged?.(name)
    return { server, old }
  }

  /** Lets a server that is replaced finish its calls within `waitMs`; those that are left fail with this error. */
  async #drain(server: Server, waitMs: number, error: GatewayError): Promise<void> {
    this.#draining.add(server)
    server.retire()
    await server.finishCalls(performance.now() + waitMs)
    await server.stop(error)
    this.#draining.delete(server)
  }
}
