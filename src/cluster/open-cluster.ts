/** The one door of the cluster: nothing of it is loaded where this gateway is alone. */
import type { Config } from '../config/schema.ts'
import { openStore } from '../registry/storage/open-store.ts'
import { noSharers } from '../registry/storage/sharers.ts'
import type { DefinitionStore } from '../registry/storage/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Cluster, OpenedCluster } from './cluster.ts'
import type { WorkerLink } from './workers/worker-link.ts'

export interface ClusterOpenerParts {
  readonly config: Pick<Config, 'cluster' | 'secrets'>
  /** What is in the state directory of this replica. */
  readonly store: DefinitionStore
  readonly version: string
  readonly log: Log
}

/**
 * Opens what is kept, and joins the cluster that the configuration names: its store is then the one that all replicas
 * share. Rejects as `openStore` throws, and with an Error of one clear sentence when the others cannot be found and
 * nothing is known of what they share. A worker opens what it shares with the others of its gateway.
 */
export async function openStoreOrCluster(
  config: Pick<Config, 'cluster' | 'secrets' | 'storage'>,
  version: string,
  log: Log,
  worker?: WorkerLink,
): Promise<OpenedCluster> {
  if (worker !== undefined) return await worker.open(config, version, log)
  const opened = openStore(config, version)
  let cluster: Cluster | null = null
  const abandon = async (thrown: unknown): Promise<never> => {
    await cluster?.close()
    opened.store.close()
    opened.lock?.release()
    throw thrown
  }
  if (config.cluster.redis.url === null) return { ...opened, cluster, sharers: noSharers(), abandon }
  try {
    const { joinCluster } = await import('./join-cluster.ts')
    cluster = await joinCluster({ config, store: opened.store, version, log })
    const { sharers, shared } = cluster
    return { ...opened, store: shared ?? opened.store, cluster, sharers, abandon }
  } catch (thrown) {
    return await abandon(thrown)
  }
}
