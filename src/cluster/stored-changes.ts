/**
 * Makes true in this process what another one has written into the store that both have: servers come, change and go,
 * keys and approvals count. Definitions of the configuration file stand before those of the store.
 */
import { reasonOf } from '../errors.ts'
import type { StoredChanges } from '../registry/storage/sqlite.ts'
import type { DefinitionStore } from '../registry/storage/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { ServerDirectory, ServerEntry } from '../upstream/server/directory.ts'

export interface StoredParts {
  /** Holds what was written already. */
  readonly store: Pick<DefinitionStore, 'get' | 'disabledAt'>
  readonly directory: Pick<ServerDirectory, 'get' | 'add' | 'replace' | 'remove' | 'disable' | 'enable'>
  /** Changes of one server come one after the other. */
  readonly order: { run<T>(name: string, work: () => Promise<T>): Promise<T> }
  readonly identities: { takeStored(): Promise<void> }
  readonly approvals: { takeStored(): Promise<void> }
  readonly credentials: { takeStored(): Promise<void> }
  readonly log: Log
}

/** Resolves when all of it counts. What cannot be taken is said in the log, and the rest counts all the same. */
export async function applyStored(parts: StoredParts, changes: StoredChanges): Promise<void> {
  const { records, definitions, switches } = changes
  const names = [...new Set([...definitions, ...switches])]
  await Promise.all([
    ...names.map((name) =>
      attempt(parts, name, () =>
        parts.order.run(name, () => takeServer(parts, name, definitions.includes(name))),
      ),
    ),
    ...(records.includes('key') || records.includes('closed door')
      ? [attempt(parts, 'keys', () => parts.identities.takeStored())]
      : []),
    ...(records.includes('approval')
      ? [attempt(parts, 'approvals', () => parts.approvals.takeStored())]
      : []),
    ...(records.includes('credential')
      ? [attempt(parts, 'credentials', () => parts.credentials.takeStored())]
      : []),
  ])
}

async function attempt({ log }: StoredParts, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (thrown) {
    log.error({ what, reason: reasonOf(thrown) }, 'a change that was made elsewhere could not be taken')
  }
}

async function takeServer(parts: StoredParts, name: string, redefined: boolean): Promise<void> {
  const { store, directory } = parts
  const known = directory.get(name)
  if (known?.origin !== 'file' && redefined) {
    const definition = store.get(name)
    if (definition === undefined) {
      if (known !== undefined) await directory.remove(name)
      return
    }
    if (known === undefined) {
      // Comes switched off where it is so.
      directory.add(definition, 'store')
      return
    }
    directory.replace(definition)
  }
  await turn(parts, directory.get(name))
}

/** On or off, as the store says. */
async function turn({ store, directory }: StoredParts, entry: ServerEntry | undefined): Promise<void> {
  if (entry === undefined) return
  const { name } = entry.definition
  const disabledAt = store.disabledAt(name)
  if ((disabledAt === null) === (entry.disabledAt === null)) return
  if (disabledAt === null) directory.enable(name)
  else await directory.disable(name, disabledAt)
}
