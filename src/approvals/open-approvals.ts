/** Opens the room of approvals where something is pinned, or an admin asks for it. Nothing is loaded for nothing. */
import { type Pins, setPins } from '../access/pins.ts'
import type { Config } from '../config/schema.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import type { DefinitionStore } from '../registry/storage/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Approvals, PinnableServer } from './approvals.ts'

/** While the room is being loaded: nothing is there, and whoever has asked is told when that is another. */
const untilLoaded: Pins = {
  allows: () => false,
  shows: () => false,
  knows: () => true,
  saw: () => true,
  forget() {},
  decide: () => ({ allowed: false, rule: 'pinning: held back until approvals are loaded' }),
}

export interface OpenerParts {
  readonly store: DefinitionStore
  readonly log: Log
  /** Those in force. */
  readonly settings: { readonly config: Pick<Config, 'pinning'> }
  readonly servers: () => {
    list(): readonly PinnableServer[]
    get(name: string): PinnableServer | undefined
  }
}

export class ApprovalsOpener {
  readonly #parts: OpenerParts
  #loading: Promise<Approvals> | null = null
  #approvals: Approvals | null = null

  constructor(parts: OpenerParts) {
    this.#parts = parts
  }

  /** Whether tools of this server are held back; a group has none of its own. */
  isPinned({ pin, group }: ServerDefinition): boolean {
    return group === null && (pin ?? this.#parts.settings.config.pinning === 'on')
  }

  /** Loads the room before these servers are there, where one of them is pinned. */
  async open(definitions: readonly ServerDefinition[]): Promise<void> {
    if (this.#parts.settings.config.pinning === 'on' || definitions.some((each) => this.isPinned(each)))
      await this.load()
  }

  /** Holds back the tools of a server with this definition where it is pinned. */
  pin(definition: ServerDefinition): void {
    if (this.#approvals !== null) this.#approvals.pin(definition)
    else if (this.isPinned(definition)) {
      setPins(definition, untilLoaded)
      void this.load()
    }
  }

  /** Goes on with the settings in force: what is pinned now, is held back from here on. */
  async take(): Promise<void> {
    const servers = this.#parts.servers().list()
    await this.open(servers.map(({ definition }) => definition))
    for (const server of servers) if (this.#approvals?.pin(server.definition) === true) server.announceTools()
  }

  /** Goes on with what the store holds now, which another process may have changed. */
  async takeStored(): Promise<void> {
    ;(await this.#loading)?.takeStored()
  }

  /** The room, loaded. */
  load(): Promise<Approvals> {
    this.#loading ??= this.#load()
    return this.#loading
  }

  /** A server was removed by an admin. */
  async removed(name: string): Promise<void> {
    const kept = this.#approvals !== null || this.#parts.store.records('approval').size > 0
    if (kept) (await this.load()).removed(name)
  }

  /** The names of tools of a server that are held back; none where nothing is pinned. */
  heldBack(name: string): string[] {
    const server = this.#parts.servers().get(name)
    return server && this.isPinned(server.definition) ? (this.#approvals?.heldBack(name) ?? []) : []
  }

  async #load(): Promise<Approvals> {
    const { Approvals } = await import('./approvals.ts')
    const { store, log, servers } = this.#parts
    const approvals = new Approvals({
      store,
      log,
      isPinned: (definition) => this.isPinned(definition),
      server: (name) => servers().get(name),
    })
    this.#approvals = approvals
    for (const server of servers().list()) if (approvals.pin(server.definition)) server.announceTools()
    return approvals
  }
}
