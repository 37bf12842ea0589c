/** Every registered server by name: the only owner of supervisors. */
import { GatewayError } from '../errors.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import type { ServerDirectory } from './directory.ts'
import { Server } from './server.ts'
import type { ServerParts } from './server-parts.ts'

export class Servers implements ServerDirectory {
  readonly #parts: ServerParts
  readonly #byName = new Map<string, Server>()
  /** Replaced servers that still finish calls. */
  readonly #draining = new Set<Server>()
  readonly #onRemoved: (name: string) => void

  /** `onRemoved` ends the sessions of a server that is gone. */
  constructor(parts: ServerParts, onRemoved: (name: string) => void) {
    this.#parts = parts
    this.#onRemoved = onRemoved
  }

  list(): readonly Server[] {
    return [...this.#byName.values()]
  }

  get(name: string): Server | undefined {
    return this.#byName.get(name)
  }

  /** Child processes of all servers together. */
  get processes(): number {
    let count = 0
    for (const server of this.#byName.values()) count += server.processes
    for (const server of this.#draining) count += server.processes
    return count
  }

  add(definition: ServerDefinition, origin: 'file' | 'store'): Server {
    if (this.#byName.has(definition.name))
      throw new GatewayError('DEFINITION_EXISTS', `a server named ${definition.name} is already registered`)
    const server = new Server(definition, origin, this.#parts)
    this.#byName.set(definition.name, server)
    server.start()
    return server
  }

  replace(definition: ServerDefinition): Server {
    const old = this.#byName.get(definition.name)
    if (!old) throw new GatewayError('SERVER_UNKNOWN', `there is no server named ${definition.name}`)
    const server = new Server(definition, old.origin, this.#parts)
    this.#byName.set(definition.name, server)
    server.start()
    this.#drain(old, Date.now() + this.#parts.callTotalMs)
    return server
  }

  async remove(name: string): Promise<void> {
    const server = this.#byName.get(name)
    if (!server) throw new GatewayError('SERVER_UNKNOWN', `there is no server named ${name}`)
    this.#byName.delete(name)
    const stopped = server.stop(new GatewayError('UPSTREAM_CLOSED', `the server ${name} was removed`))
    this.#onRemoved(name)
    await stopped
  }

  sweep(nowMs: number): void {
    for (const server of this.#byName.values()) server.sweep(nowMs)
    for (const server of this.#draining) server.sweep(nowMs)
  }

  /** Lets calls in flight finish until then, then ends every server and its processes. */
  async stop(untilMs: number): Promise<void> {
    const all = [...this.#byName.values(), ...this.#draining]
    await Promise.all(all.map((server) => server.drain(untilMs)))
  }

  #drain(server: Server, untilMs: number): void {
    this.#draining.add(server)
    void server.drain(untilMs).finally(() => this.#draining.delete(server))
  }
}
