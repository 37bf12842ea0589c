/** Joins the cluster that Redis or Valkey knows. */
import { Cluster } from './cluster.ts'
import { RedisDirectory } from './directory/redis-directory.ts'
import type { ClusterOpenerParts } from './open-cluster.ts'
import type { ClusterStore } from './records/cluster-store.ts'
import { createSeal } from './seal.ts'

/** How long a replica that knows something to begin with waits for the others. */
const joinMs = 3_000
/** How long one waits that knows nothing: it would serve without the doors that keys have closed. */
const firstJoinMs = 10_000
const retryMs = 250

/** Rejects with an Error of one clear sentence when this replica has nothing to begin with. */
export async function joinCluster({ config, store, version, log }: ClusterOpenerParts): Promise<Cluster> {
  const { redis, secret, name, advertise, leaseMs } = config.cluster
  let reason = 'it does not answer'
  const place = {
    url: redis.url ?? '',
    sentinels: redis.sentinels,
    masterName: redis.name,
    caFile: redis.tls.ca,
  }
  const directory = new RedisDirectory(place, name, {
    failed(lost) {
      reason = lost
      log.warn({ reason: lost }, 'the Redis of the cluster cannot be used')
    },
    doubtful: (problem) => log.warn({ reason: problem }, 'the Redis of the cluster is not as it should be'),
  })
  directory.onUp((isUp) => {
    if (isUp) log.info({}, 'the Redis of the cluster answers')
  })
  const self = {
    instance: crypto.randomUUID().replaceAll('-', '').slice(0, 16),
    address: advertise ?? '',
    version,
  }
  const seal = createSeal(secret, name)
  const cluster = new Cluster({
    ...{ name, directory, seal, self, leaseMs, log },
    local: store,
    secretDirs: config.secrets.dirs,
  })
  const { shared } = cluster
  if (shared === null) return cluster
  const { wasSynced } = shared
  if (await untilKnown(shared, wasSynced ? joinMs : firstJoinMs)) {
    // The others look twice in that time, and bring back what is missing.
    await shared.book.untilBegun(wasSynced ? 0 : leaseMs / 2)
    if (!shared.book.isForeign) return cluster
    await cluster.close()
    throw new Error(
      `cluster.secret is another one than that of the replicas that share this Redis under the name ${name}; give all of them the same, or this one another cluster.name`,
    )
  }
  if (!wasSynced) {
    await cluster.close()
    throw new Error(
      `cluster.redis cannot be used (${reason}); this replica has tried for ${firstJoinMs / 1_000} s, and knows nothing yet of what the others share`,
    )
  }
  log.warn({ reason }, 'beginning with what was shared when this replica ran last')
  return cluster
}

/** Whether what is shared could be read in time. */
async function untilKnown({ book }: ClusterStore, waitMs: number): Promise<boolean> {
  const endsMs = performance.now() + waitMs
  while (performance.now() < endsMs) {
    const known = await book.reconcile().then(
      () => true,
      () => false,
    )
    if (known) return true
    await Bun.sleep(retryMs)
  }
  return false
}
