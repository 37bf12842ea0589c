import type { ServerDefinition } from './definition.ts'
import type { DefinitionStore } from './store.ts'

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
