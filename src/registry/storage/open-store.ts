/** Opens what a configuration says is kept, and takes the state directory for this process. */
import { openSqliteStore } from './sqlite.ts'
import { lockState, type StateLock } from './state-lock.ts'
import { createMemoryStore, type DefinitionStore } from './store.ts'

export interface OpenedStore {
  readonly store: DefinitionStore
  /** Null where nothing is kept. */
  readonly lock: StateLock | null
  /** The state directory; null where nothing is kept. */
  readonly directory: string | null
}

/** Throws a StateHeldError when another process has the directory, and an Error of one clear sentence when it cannot be used. */
export function openStore(
  { type, path }: { readonly type: 'sqlite' | 'memory'; readonly path: string },
  version: string,
): OpenedStore {
  if (type === 'memory') return { store: createMemoryStore(), lock: null, directory: null }
  const lock = lockState(path, version)
  try {
    return { store: openSqliteStore(path), lock, directory: path }
  } catch (thrown) {
    lock.release()
    throw thrown
  }
}
