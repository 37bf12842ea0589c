/** A group as it is registered: what the admin API and the endpoints find under its name, whether or not it runs yet. */
import { GatewayError } from '../errors.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import type { Log } from '../telemetry/log.ts'
import type {
  ServerEntry,
  ServerOrigin,
  ServerState,
  ServerStatus,
  ToolAnswer,
  ToolDescription,
} from '../upstream/server/directory.ts'
import { OutputTail } from '../upstream/server/output-tail.ts'
import { disabledError } from '../upstream/server/supervisor.ts'
import type { GroupFace } from './face.ts'

export interface EntryParts {
  readonly log: Log
  /** Loads what runs it. */
  load(entry: GroupEntry): Promise<GroupFace>
  sessionCount(): number
}

const noCalls = { totalRequests: 0, totalErrors: 0, toolErrors: 0, avgResponseTime: 0 }

export class GroupEntry implements ServerEntry {
  definition: ServerDefinition
  origin: ServerOrigin
  disabledAt: string | null
  /** Nothing of its own is ever written there. */
  readonly output: OutputTail
  readonly #parts: EntryParts
  readonly #since = new Date().toISOString()
  #face: GroupFace | null = null
  #loading: Promise<GroupFace> | null = null

  constructor(
    definition: ServerDefinition,
    origin: ServerOrigin,
    disabledAt: string | null,
    parts: EntryParts,
  ) {
    this.definition = definition
    this.origin = origin
    this.disabledAt = disabledAt
    this.#parts = parts
    this.output = new OutputTail(parts.log)
  }

  /** What runs it; null until that was loaded. */
  get face(): GroupFace | null {
    return this.#face
  }

  /** What runs it, loaded. Throws SERVER_DISABLED for one that is switched off. */
  ready(): GroupFace | Promise<GroupFace> {
    if (this.disabledAt !== null) throw disabledError(this.definition.name)
    if (this.#face) return this.#face
    this.#loading ??= this.#parts.load(this).then((face) => {
      this.#face = face
      return face
    })
    return this.#loading
  }

  settled(): boolean {
    return true
  }

  untilSettled(): Promise<void> {
    return Promise.resolve()
  }

  status(): ServerStatus {
    const status = this.disabledAt === null ? this.#state() : 'disconnected'
    return {
      name: this.definition.name,
      status,
      lastConnected: null,
      lastError: null,
      lastErrorTime: null,
      reconnectAttempts: 0,
      restarts: 0,
      since: this.#since,
      reason: this.#reason(status),
      lastExit: null,
      upTime: 0,
      ...(this.#face?.group.counters.figures() ?? noCalls),
      protocolVersion: null,
      era: null,
      serverInfo: null,
      capabilities: null,
      processes: 0,
      sessions: this.#parts.sessionCount(),
      stderrTail: [],
      disabledAt: this.disabledAt,
    }
  }

  /** Its tools are those of its members, which list them themselves. */
  listTools(): Promise<ToolDescription[]> {
    return Promise.resolve([])
  }

  callTool(): Promise<ToolAnswer> {
    const { name } = this.definition
    const details = `${name} is a group. Call the tool at the server that has it, or over /mcp-proxy/${name}/stream.`
    return Promise.reject(new GatewayError('BAD_REQUEST', details))
  }

  #reason(status: ServerState): string | null {
    if (status === 'error') return 'None of its servers is connected.'
    return status === 'connecting' && this.#face?.group.memberStates().length === 0
      ? 'None of its servers is registered.'
      : null
  }

  /** Connected while one of its members is. */
  #state(): ServerState {
    const states = this.#face?.group.memberStates() ?? []
    if (states.includes('connected')) return 'connected'
    return states.length > 0 && states.every((state) => state === 'error') ? 'error' : 'connecting'
  }
}
