/** Every registered server by name: the only owner of supervisors. */
import { GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import type { ServerDirectory } from './directory.ts'
import type { ServerParts, ServerSurroundings } from './parts.ts'
import { Server } from './server.ts'

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
}

export class Servers implements ServerDirectory {
  readonly #parts: ServerParts
  readonly #byName = new Map<string, Server>()
  /** Replaced servers that still finish calls. */
  readonly #draining = new Set<Server>()
  readonly #listeners: ServersListener[] = []

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
    const processesInUse = () => this.processes
    this.#parts = { ...parts, goesOnAs, stateChanged, processesInUse, processesOwnedBy }
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

  /** The server of that name. Throws SERVER_UNKNOWN. */
  require(name: string): Server {
    const server = this.#byName.get(name)
    if (server) return server
    throw new GatewayError(
      'SERVER_UNKNOWN',
      `There is no server named ${JSON.stringify(name.slice(0, 64))}; GET /admin/mcps lists those there are.`,
    )
  }

  /** Child processes of all servers together. */
  get processes(): number {
    return this.#all().reduce((sum, server) => sum + server.processes, 0)
  }

  /** Calls in flight at all servers together. */
  get inFlight(): number {
    return this.#all().reduce((sum, server) => sum + server.counters.inFlight, 0)
  }

  /** Takes a server in, which begins connecting after `startDelayMs`. Throws DEFINITION_EXISTS. */
  add(definition: ServerDefinition, origin: 'file' | 'store', startDelayMs = 0): Server {
    // Until groups run.
    if (definition.group !== null)
      throw new GatewayError('DEFINITION_INVALID', 'transport: group is not served by this version yet')
    if (this.#byName.has(definition.name))
      throw new GatewayError('DEFINITION_EXISTS', `A server named ${definition.name} is already registered.`)
    const server = new Server(definition, origin, this.#parts)
    this.#byName.set(definition.name, server)
    this.#parts.metrics.serverAdded(definition.name)
    server.start(startDelayMs)
    for (const listener of this.#listeners) listener.added?.(definition.name)
    return server
  }

  replace(definition: ServerDefinition): Server {
    const old = this.#byName.get(definition.name)
    if (!old) throw new GatewayError('SERVER_UNKNOWN', `There is no server named ${definition.name}.`)
    const server = new Server(definition, old.origin, this.#parts)
    this.#byName.set(definition.name, server)
    server.start(0)
    void this.#drain(old)
    for (const listener of this.#listeners) listener.replaced(definition.name, old.definition)
    return server
  }

  async remove(name: string): Promise<void> {
    const server = this.#byName.get(name)
    if (!server) throw new GatewayError('SERVER_UNKNOWN', `There is no server named ${name}.`)
    this.#byName.delete(name)
    for (const listener of this.#listeners) listener.leaving(name)
    const stopped = server.stop(new GatewayError('UPSTREAM_CLOSED', `The server ${name} was removed.`))
    for (const listener of this.#listeners) listener.removed(name)
    await stopped
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
    await Promise.all(this.#all().map((server) => server.stop(error)))
  }

  #all(): Server[] {
    return [...this.#byName.values(), ...this.#draining]
  }

  async #drain(server: Server): Promise<void> {
    this.#draining.add(server)
    server.retire()
    await server.finishCalls(performance.now() + this.#parts.callTotalMs)
    await server.stop(new GatewayError('UPSTREAM_CLOSED', `The server ${server.name} was replaced.`))
    this.#draining.delete(server)
  }
}
