/** Where the definitions registered over the admin API are kept. Implementations: memory.ts, sqlite.ts. */
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
