/** What is wrong with a Redis, in words that say what to do. Pure. */

/** How it is asked for. */
export interface RedisAsked {
  /** `host:port`, or that of the Sentinels. */
  readonly where: string
  /** On this machine alone. */
  readonly isLocal: boolean
  readonly isTls: boolean
  readonly hasPassword: boolean
}

/** What INFO says of it. */
export interface RedisStanding {
  /** Why it cannot be used; null where it can. */
  readonly unusable: string | null
  /** What will go wrong with it one day, a sentence each. */
  readonly problems: readonly string[]
}

/** Older ones are kept up by nobody. */
const oldestVersion = [6, 2] as const

/** Begins what Redis refuses, or what the system says of a connection, and what to do then. */
const faults: readonly (readonly [said: RegExp, means: string | ((asked: RedisAsked) => string)])[] = [
  [
    /^READONLY|^MASTERDOWN/,
    'READONLY: it is the copy of another Redis and takes no writes; cluster.redis.url must lead to the master, or cluster.redis.sentinels say who knows it',
  ],
  [
    /^MOVED|^ASK |^CROSSSLOT|^CLUSTERDOWN/,
    'it is a node of a Redis Cluster, which spreads keys over nodes; replicas need one Redis without cluster mode, and Sentinel where it must fail over',
  ],
  [
    /^NOAUTH/,
    'NOAUTH: it asks for a password; put it into cluster.redis.url, such as redis://:PASSWORD@valkey:6379',
  ],
  [
    /^WRONGPASS/,
    'WRONGPASS: it knows no user with this password; correct user and password in cluster.redis.url',
  ],
  [
    /^NOPERM/,
    'NOPERM: its user may not do what replicas need; give it the rules ~{cz:NAME}:* &{cz:NAME}:* +@all -@admin -@dangerous +info, with cluster.name for NAME',
  ],
  [/^OOM/, 'OOM: its memory is full and it takes no writes; raise its maxmemory'],
  [
    /^MISCONF/,
    'MISCONF: it cannot write to its disk and takes no writes; free the disk, or turn its saving off',
  ],
  [
    /DB index is out of range/,
    'DB index is out of range: correct the number behind the last / of cluster.redis.url',
  ],
  [/max number of clients/, 'it takes no more connections; raise its maxclients'],
  [
    /^Unknown RESP type|^Protocol error/,
    'what answers there is no Redis; correct host and port in cluster.redis.url',
  ],
  [
    /^All sentinels are unreachable/,
    'none of cluster.redis.sentinels answers, or none of them knows a master by the name of cluster.redis.name',
  ],
  [
    /ECONNREFUSED/,
    ({ where }) => `nobody listens at ${where}; start Redis there, or correct cluster.redis.url`,
  ],
  [
    /ENOTFOUND|EAI_AGAIN/,
    ({ where }) =>
      `${where} is a name that this machine cannot find; correct cluster.redis.url, or how names are found here`,
  ],
  [
    /certificate|CERT_|altname/i,
    'its certificate is not believed here; set cluster.redis.tls.ca to the file of the authority that has signed it, and name the host in cluster.redis.url as the certificate does',
  ],
  [
    /ETIMEDOUT|ECONNRESET|EPROTO|SSL|socket hang up/,
    ({ where, isTls }) =>
      isTls
        ? `nothing that speaks TLS answers at ${where}; where Redis has none the URL begins with redis://`
        : `the connection to ${where} is cut or leads nowhere; look at what stands between (a firewall, a network policy), and where Redis speaks TLS begin the URL with rediss://`,
  ],
]

/** What Redis has refused, or why it is not reached; as it was said where nothing more is known. */
export function faultOf(said: string, asked: RedisAsked): string {
  const means = faults.find(([form]) => form.test(said))?.[1] ?? said
  return typeof means === 'string' ? means : means(asked)
}

/** Whether an error is an answer of Redis, and not that there is none. */
export function isRefusal(said: string): boolean {
  return /^[A-Z]{3,} /.test(said)
}

/** How it stands by its answer to INFO. */
export function standingOf(info: string, asked: RedisAsked): RedisStanding {
  const told = new Map(
    info.split(/\r?\n/).map((line): [string, string] => {
      const at = line.indexOf(':')
      return [line.slice(0, at), line.slice(at + 1)]
    }),
  )
  if (told.get('loading') === '1') return { unusable: 'it still reads what it has kept', problems: [] }
  if (told.get('role') === 'slave') return { unusable: faultOf('READONLY', asked), problems: [] }
  const problems: string[] = []
  const policy = told.get('maxmemory_policy') ?? 'noeviction'
  if (policy !== 'noeviction')
    problems.push(
      `it drops keys when its memory is short (maxmemory-policy ${policy}): sessions would be lost to other replicas; set it to noeviction`,
    )
  if (told.get('redis_mode') === 'cluster') problems.push(faultOf('MOVED', asked))
  const version = told.get('redis_version') ?? ''
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (
    version !== '' &&
    (major < oldestVersion[0] || (major === oldestVersion[0] && minor < oldestVersion[1]))
  )
    problems.push(
      `its version is ${version}; replicas are made for ${oldestVersion.join('.')} and newer, or any Valkey: update it`,
    )
  if (!asked.hasPassword && !asked.isLocal)
    problems.push(
      'it asks for no password: whoever reaches it can keep replicas from finding each other; set its requirepass, and put the password into cluster.redis.url',
    )
  return { unusable: null, problems }
}
