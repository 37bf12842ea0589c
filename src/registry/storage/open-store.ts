/** Opens what a configuration says is kept, and takes the state directory for this process. */
import { resolveStored } from '../secrets/resolve.ts'
import { openSharedStore, openSqliteStore, type SharedStore } from './sqlite.ts'
import { lockState, type StateLock } from './state-lock.ts'
import { createMemoryStore, type DefinitionStore } from './store.ts'

export interface OpenedStore {
  readonly store: DefinitionStore
  /** Null where nothing is kept, and in a worker: its supervisor has the directory. */
  readonly lock: StateLock | null
  /** The state directory; null where nothing is kept. */
  readonly directory: string | null
}

export interface StoreSettings {
  readonly storage: { readonly type: 'sqlite' | 'memory'; readonly path: string }
  /** Directories below which stored definitions may name files of secrets. */
  readonly secrets: { readonly dirs: readonly string[] }
}

/** Throws a StateHeldError when another process has the directory, and an Error of one clear sentence when it cannot be used. */
export function openStore({ storage, secrets }: StoreSettings, version: string): OpenedStore {
  const { type, path } = storage
  if (type === 'memory')
    return { store: withSecrets(createMemoryStore(), secrets.dirs), lock: null, directory: null }
  const lock = lockState(path, version)
  try {
    return { store: withSecrets(openSqliteStore(path), secrets.dirs), lock, directory: path }
  } catch (thrown) {
    lock.release()
    throw thrown
  }
}

/**
 * The same for a worker, whose supervisor has taken the directory for all of them in this run; `changed` is called after each
 * change that is made here.
 */
export async function openWorkerStore(
  { storage, secrets }: StoreSettings,
  runDirectory: string,
  changed: () => void,
): Promise<OpenedStore & Pick<SharedStore, 'takeIn'>> {
  const { openTurns } = await import('./turns.ts')
  const { path } = storage
  const store = openSharedStore(path, openTurns(path, runDirectory, changed))
  return {
    store: withSecrets(store, secrets.dirs),
    lock: null,
    directory: path,
    takeIn: () => store.takeIn(),
  }
}

/** The same store, whose definitions come with the secrets that they refer to; it keeps the references. */
function withSecrets(store: DefinitionStore, dirs: readonly string[]): DefinitionStore {
  return {
    list: () => store.list().map((definition) => resolveStored(definition, dirs)),
    get(name) {
      const definition = store.get(name)
      return definition && resolveStored(definition, dirs)
    },
    put: (definition) => store.put(definition),
    delete: (name) => store.delete(name),
    disabledAt: (name) => store.disabledAt(name),
    setDisabled: (name, disabledAt) => store.setDisabled(name, disabledAt),
    switches: () => store.switches(),
    records: (kind) => store.records(kind),
    putRecords: (kind, changes) => store.putRecords(kind, changes),
    together: (work) => store.together(work),
    close: () => store.close(),
  }
}
