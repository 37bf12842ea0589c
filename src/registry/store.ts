/** Where the definitions registered over the admin API are kept. In memory: here; in a file: sqlite.ts. */
import type { ServerDefinition } from './definition.ts'

/**
 * Synchronous on purpose: a change is judged against the stored state and made in one step, with
 * nothing in between that another request could slip into.
 */
export interface DefinitionStore {
  /** Every definition, ordered by name. */
  list(): ServerDefinition[]
  get(name: string): ServerDefinition | undefined
  /** Adds or replaces. What it returned from is there after a crash (unless the store is memory). */
  put(definition: ServerDefinition): void
  /** `true` when there was one. */
  delete(name: string): boolean
  /** Gives the file back. Calling it again does nothing; any other call after it throws. */
  close(): void
}

/** Keeps definitions until the process ends (`storage.type: memory`). */
export function createMemoryStore(): DefinitionStore {
  let definitions: Map<string, ServerDefinition> | null = new Map()
  const opened = (): Map<string, ServerDefinition> => {
    if (definitions === null) throw new Error('The definition store is closed.')
    return definitions
  }
  return {
    list: () => [...opened().values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    get: (name) => opened().get(name),
    put: (definition) => void opened().set(definition.name, definition),
    delete: (name) => opened().delete(name),
    close() {
      definitions = null
    },
  }
}
