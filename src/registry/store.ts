/** Where the definitions registered over the admin API are kept. In memory: here; in a file: sqlite.ts. */
import { GatewayError } from '../errors.ts'
import type { ServerDefinition } from './definition.ts'

/** A change that was not made. */
export class StoreError extends GatewayError {
  constructor(
    /** True while another process is writing: the same change may be made a moment later. */
    readonly busy: boolean,
    details: string,
  ) {
    super('STORE_UNAVAILABLE', details, busy ? 1 : undefined)
  }
}

/**
 * Synchronous on purpose: a change is judged against the stored state and made in one step, with
 * nothing in between that another request could slip into.
 */
export interface DefinitionStore {
  /** Every definition, ordered by name. */
  list(): ServerDefinition[]
  get(name: string): ServerDefinition | undefined
  /**
   * Adds or replaces. What it returned from is there after a crash (unless the store is memory). Throws a StoreError
   * when the change was not made; it waits for nobody, because calls of clients would wait with it.
   */
  put(definition: ServerDefinition): void
  /** `true` when there was one; it leaves no switch behind. Throws a StoreError, as `put` does. */
  delete(name: string): boolean
  /** When an admin has switched off the server of this name, also one of the file (ISO 8601); null while it is on. */
  disabledAt(name: string): string | null
  /** Switches a server off, or with null on. Throws a StoreError, as `put` does. */
  setDisabled(name: string, disabledAt: string | null): void
  /** Gives the file back. Calling it again does nothing; any other call after it throws. */
  close(): void
}

/** Keeps definitions until the process ends (`storage.type: memory`). */
export function createMemoryStore(): DefinitionStore {
  let definitions: Map<string, ServerDefinition> | null = new Map()
  const disabled = new Map<string, string>()
  const opened = (): Map<string, ServerDefinition> => {
    if (definitions === null) throw new Error('The definition store is closed.')
    return definitions
  }
  return {
    list: () => [...opened().values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    get: (name) => opened().get(name),
    put: (definition) => void opened().set(definition.name, definition),
    delete(name) {
      disabled.delete(name)
      return opened().delete(name)
    },
    disabledAt: (name) => disabled.get(name) ?? null,
    setDisabled(name, disabledAt) {
      if (disabledAt === null) disabled.delete(name)
      else disabled.set(name, disabledAt)
    },
    close() {
      definitions = null
    },
  }
}
