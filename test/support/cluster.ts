/** Gateways that are one cluster, with a real Redis between them. */
import { type GatewayForm, type GatewayOptions, type RunningGateway, startGatewayProcess } from './gateway.ts'
import { freePort, type RedisServer } from './redis-server.ts'

export const clusterSecret = 'canary-cluster-secret-of-at-least-32-bytes'

export interface ClusterOptions {
  readonly via?: GatewayForm
  /** Another executable than the one of these sources. */
  readonly program?: string
  /** Below `mcp_proxy`. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Below `mcp_proxy.cluster`. */
  readonly cluster?: Readonly<Record<string, unknown>>
  readonly mcps?: readonly unknown[]
  readonly env?: Readonly<Record<string, string>>
  readonly untilReady?: boolean
  /** As of a gateway. */
  readonly within?: readonly string[]
}

/** The options of one more replica of the cluster in this Redis. */
export async function replicaOptions(
  redis: RedisServer,
  options: ClusterOptions = {},
): Promise<GatewayOptions> {
  const { settings, cluster, mcps = [], ...others } = options
  return {
    ...others,
    config: {
      mcp_proxy: {
        ...settings,
        cluster: {
          redis: { url: redis.url },
          secret: clusterSecret,
          advertise: `127.0.0.1:${await freePort()}`,
          lease: '2s',
          ...cluster,
        },
      },
      mcps,
    },
  }
}

/** Starts one more replica. */
export async function startReplica(
  redis: RedisServer,
  options: ClusterOptions = {},
): Promise<RunningGateway> {
  return await startGatewayProcess(await replicaOptions(redis, options))
}
