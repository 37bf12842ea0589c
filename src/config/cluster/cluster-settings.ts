/** The settings of several gateways that are one to their clients, and what they need of each other. Pure, like `values.ts`. */
import { isIPv6 } from 'node:net'
import { placeholderReason } from '../../registry/secret-looking.ts'
import { duration, list, minuteMs, optionalText, secondMs, setting, text } from '../values.ts'

const secretBytesMin = 32
const hostAndPort = /^(?:[a-z0-9][a-z0-9._-]{0,252}|\[[0-9a-f:.]+\]):(\d{1,5})$/i
const anyAddress = /^(?:0\.0\.0\.0|\[::\])?:/

export const clusterSettings = {
  redis: {
    url: setting({
      kind: optionalText('a redis:// or rediss:// URL', redisUrlFault),
      initial: null,
      initialWords: 'none: this gateway is alone',
      secret: true,
      restart: true,
      doc: 'Redis or Valkey in which the replicas find each other (docs/SCALING.md). With it, any of them serves any request.',
    }),
    sentinels: setting({
      kind: list({ takes: 'addresses of sentinels, such as sentinel-0:26379', check: hostAndPortFault }),
      initial: [],
      restart: true,
      doc: 'Sentinels that know where Redis is. None: it is where the URL says.',
    }),
    name: setting({
      kind: text('the name of a master'),
      initial: 'mymaster',
      restart: true,
      doc: 'Under which name the sentinels know it.',
    }),
    tls: {
      ca: setting({
        kind: optionalText('the path of a PEM file', () => null),
        initial: null,
        initialWords: 'those of the system',
        restart: true,
        doc: 'Authorities of the certificate of Redis and its sentinels.',
      }),
    },
  },
  secret: setting({
    kind: list({ takes: 'secrets', secret: true, check: secretFault }),
    initial: [],
    secret: true,
    guards: true,
    restart: true,
    doc: 'Secret that all replicas have and nobody else, of at least 32 bytes. Of several the first one signs and all count, so that one can be replaced.',
  }),
  name: setting({
    kind: text('a name of at most 32 lower-case letters, digits and hyphens', (value) =>
      /^[a-z0-9][a-z0-9-]{0,31}$/.test(value)
        ? null
        : 'must be at most 32 lower-case letters, digits and hyphens',
    ),
    initial: 'default',
    restart: true,
    doc: 'Tells apart clusters that share a Redis.',
  }),
  advertise: setting({
    kind: advertisedKind(),
    initial: null,
    restart: true,
    doc: 'Address and port at which the other replicas reach this one; it listens on that port for them alone.',
  }),
  leaseMs: setting({
    kind: duration(2 * secondMs, minuteMs),
    initial: 4 * secondMs,
    restart: true,
    doc: 'A replica that nobody has heard of for so long, and that does not answer, is taken for dead.',
  }),
} as const

function redisUrlFault(value: string): string | null {
  const url = URL.parse(value)
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '')
    return 'must be a redis:// or rediss:// URL, such as redis://valkey:6379'
  if (url.search !== '' || url.hash !== '') return 'must be a URL without a query'
  return /^\/?\d{0,4}$/.test(url.pathname)
    ? null
    : 'may have the number of a database as its path, and nothing else'
}

function hostAndPortFault(value: string): string | null {
  const port = Number(hostAndPort.exec(value)?.[1] ?? Number.NaN)
  return port >= 1 && port <= 65_535 ? null : 'is no host or address with a port'
}

/** An address with port; whatever brackets an address of IPv6 lacks are put around it. */
function advertisedKind(): ReturnType<typeof optionalText> {
  const kind = optionalText('an address with port, such as 10.0.0.7:6002', (value) =>
    advertiseFault(advertised(value)),
  )
  return {
    ...kind,
    read(input) {
      const reading = kind.read(input)
      return 'fault' in reading || reading.value === null ? reading : { value: advertised(reading.value) }
    },
  }
}

function advertiseFault(value: string): string | null {
  if (anyAddress.test(value)) return 'must be the address of this replica alone, such as ${POD_IP}:6002'
  return hostAndPortFault(value) === null
    ? null
    : 'must be a host or an address with a port, such as 10.0.0.7:6002 or [fd00::7]:6002'
}

/** `${POD_IP}:6002` leaves the brackets out around an address of IPv6; a port is always there. */
function advertised(value: string): string {
  const at = value.lastIndexOf(':')
  const host = value.slice(0, at)
  return isIPv6(host) ? `[${host}]${value.slice(at)}` : value
}

function secretFault(value: string): string | null {
  const bytes = Buffer.byteLength(value)
  if (bytes < secretBytesMin)
    return `has ${bytes} bytes, fewer than ${secretBytesMin}; make one, such as with "openssl rand -hex 32"`
  return /\s/.test(value) ? 'holds a blank' : placeholderReason(value)
}

/** What the settings of a cluster have to do with each other. */
export interface ClusterValues {
  readonly redis: {
    readonly url: string | null
    readonly sentinels: readonly string[]
    readonly tls: { readonly ca: string | null }
  }
  readonly secret: readonly string[]
  readonly advertise: string | null
}

/** What is missing, or does not go together, one line; null for nothing. */
export function clusterFault(
  { redis, secret, advertise }: ClusterValues,
  workers: number | 'auto',
): string | null {
  const place = 'mcp_proxy.cluster'
  if (redis.url === null) {
    const given = [
      secret.length > 0 ? 'secret' : null,
      advertise === null ? null : 'advertise',
      redis.sentinels.length > 0 ? 'redis.sentinels' : null,
      redis.tls.ca === null ? null : 'redis.tls.ca',
    ].find((name) => name !== null)
    return given === undefined
      ? null
      : `${place} has ${given} but no redis.url; set it to where Redis or Valkey is, such as redis://valkey:6379`
  }
  if (workers !== 1)
    return `mcp_proxy.workers is ${workers}, but a replica of a cluster is one process; leave it at 1, and start more replicas`
  if (secret.length === 0)
    return `${place} needs secret: a text of at least ${secretBytesMin} bytes that all replicas have, such as from "openssl rand -hex 32"`
  if (advertise === null)
    return `${place} needs advertise: the address and port at which the other replicas reach this one, such as \${POD_IP}:6002`
  if (redis.tls.ca !== null && !redis.url.startsWith('rediss:'))
    return `${place}.redis has tls.ca, but its URL begins with redis:, which is without TLS; write rediss:`
  return null
}
