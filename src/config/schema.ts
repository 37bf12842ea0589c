/**
 * Every setting of the gateway, in one table. Its type in memory, its bounds, default and meaning are
 * here; the key in the file and the variable follow from its place in the table:
 *
 * - `limits.bodyBytesMax` is `limits.body_bytes_max` under `mcp_proxy` in the file and
 *   `MCP_PROXY_LIMITS_BODY_BYTES_MAX` in the environment. Times are milliseconds in memory and carry
 *   `Ms` there; outside they are written with a unit, so the key has none (`timeouts.session_idle`).
 * - `env` names the variable where the published reference chose another one.
 * - only what a person types at a terminal has a `flag`.
 * - `restart` marks what a gateway that runs cannot take; everything else is read where it is used, and applies
 *   from when the configuration is read again (src/reload).
 */
import type { Static } from '@sinclair/typebox'
import type { ServerDefinition } from '../registry/definition.ts'
import { keySettings } from './auth/key-settings.ts'
import { oauthSettings } from './auth/oauth-settings.ts'
import { clusterSettings } from './cluster/cluster-settings.ts'
import { limitSettings } from './limits/limit-settings.ts'
import {
  addressList,
  baseUrl,
  groupName,
  hostList,
  hostName,
  originList,
  tokenList,
} from './network-values.ts'
import { secretSettings } from './secrets/secret-settings.ts'
import {
  choice,
  duration,
  flagValue,
  hourMs,
  integer,
  integerOr,
  list,
  minuteMs,
  optionalText,
  type Setting,
  secondMs,
  setting,
  text,
  variableNameList,
} from './values.ts'

export const settings = {
  host: setting({
    kind: hostName(),
    initial: '127.0.0.1',
    flag: 'mcp-host',
    restart: true,
    doc: 'Address or host name to listen on. 0.0.0.0 listens on every interface.',
  }),
  port: setting({
    kind: integer(0, 65_535),
    initial: 6001,
    flag: 'mcp-port',
    restart: true,
    doc: 'TCP port to listen on. 0 picks a free one.',
  }),
  workers: setting({
    kind: integerOr('auto', 1, 255),
    initial: 1,
    flag: 'workers',
    restart: true,
    doc: 'Processes that serve on the port together (docs/SCALING.md). auto: one for each processor.',
  }),
  baseUrl: setting({
    kind: baseUrl(),
    initial: null,
    initialWords: 'derived from host and port',
    flag: 'mcp-base-url',
    doc: 'URL under which clients reach the gateway, with the path prefix of a reverse proxy if there is one.',
  }),
  reload: setting({
    kind: choice('off', 'watch'),
    initial: 'off',
    doc: 'Whether the configuration is read again as soon as one of its files has changed (watch), or on HUP and POST /admin/reload only.',
  }),
  shutdownTimeoutMs: setting({
    kind: duration(0, hourMs),
    initial: 10 * secondMs,
    flag: 'mcp-shutdown-timeout',
    doc: 'How long calls in flight may go on after a stop signal.',
  }),
  defaultGroup: setting({
    kind: groupName(),
    initial: null,
    initialWords: 'every server that the caller may use',
    doc: 'Group that is served at /mcp. false: none, and /mcp is 404.',
  }),
  console: setting({
    kind: flagValue(),
    initial: true,
    doc: 'Whether the console is served at /console, to those who may use the admin API.',
  }),
  pinning: setting({
    kind: choice('off', 'on'),
    initial: 'off',
    guards: true,
    doc: 'Whether tools are held back until an admin has approved their definitions (docs/PINNING.md); pin of a server overrules it.',
  }),
  auth: {
    globalTokens: setting({
      kind: tokenList(),
      initial: [],
      flag: 'mcp-global-auth-tokens',
      env: 'MCP_PROXY_GLOBAL_AUTH_TOKENS',
      secret: true,
      guards: true,
      doc: 'Tokens that open every MCP server. None: no token is asked for.',
    }),
    adminTokens: setting({
      kind: tokenList(),
      initial: [],
      flag: 'mcp-admin-tokens',
      env: 'MCP_PROXY_ADMIN_TOKENS',
      secret: true,
      guards: true,
      doc: 'Tokens that open the admin API. None: it answers only to this machine.',
    }),
    adminAllowIps: setting({
      kind: addressList(),
      initial: [],
      flag: 'mcp-admin-allow-ips',
      env: 'MCP_PROXY_ADMIN_ALLOW_IPS',
      guards: true,
      doc: 'Addresses and CIDR blocks from which the admin API may be used. None: from every address.',
    }),
    keys: keySettings,
    oauth: oauthSettings,
  },
  admin: {
    stdio: setting({
      kind: choice('enabled', 'disabled'),
      initial: 'enabled',
      guards: true,
      doc: 'Whether the admin API may register servers that start a process.',
    }),
    commands: setting({
      kind: list({ takes: 'commands' }),
      initial: [],
      guards: true,
      doc: 'Commands that the admin API may register. None: every command.',
    }),
  },
  security: {
    trustedProxies: setting({
      kind: addressList(),
      initial: [],
      flag: 'mcp-trusted-proxies',
      env: 'MCP_PROXY_TRUSTED_PROXIES',
      doc: 'Addresses and CIDR blocks of reverse proxies whose forwarding headers are believed.',
    }),
    allowedHosts: setting({
      kind: hostList(),
      initial: [],
      guards: true,
      doc: 'Host headers to accept beside loopback names and the host of the base URL.',
    }),
    allowedOrigins: setting({
      kind: originList(),
      initial: [],
      doc: 'Origins of web pages that may call the gateway from a browser.',
    }),
    privateUpstreams: setting({
      kind: choice('allowed', 'refused'),
      initial: 'allowed',
      guards: true,
      doc: 'Whether registered URLs may lead into private networks. Link-local ones never may.',
    }),
    childEnvironment: setting({
      kind: variableNameList(),
      initial: [],
      restart: true,
      doc: 'Variables that servers which run as processes inherit from the gateway, beside those that they always do.',
    }),
  },
  logging: {
    level: setting({
      kind: choice('debug', 'info', 'warn', 'error', 'silent'),
      initial: 'info',
      flag: 'mcp-log-level',
      env: 'MCP_PROXY_LOG_LEVEL',
      doc: 'Least level that is logged.',
    }),
    format: setting({
      kind: choice('json', 'pretty'),
      initial: ({ terminal }) => (terminal ? 'pretty' : 'json'),
      initialWords: 'json; pretty on a terminal without a log file',
      flag: 'mcp-log-format',
      env: 'MCP_PROXY_LOG_FORMAT',
      doc: 'Form of a log line.',
    }),
    file: setting({
      kind: optionalText('the path of a file', (value) =>
        value.endsWith('/') ? 'must name a file, not a directory' : null,
      ),
      initial: null,
      initialWords: 'none: standard output',
      flag: 'mcp-log-file',
      env: 'MCP_PROXY_LOG_FILE',
      doc: 'File that the log is appended to instead of standard output. It is opened again on HUP, and when it was moved away.',
    }),
  },
  audit: {
    file: setting({
      kind: optionalText(
        'the path of a file, or - for the log',
        (value) => (value.endsWith('/') ? 'must name a file, not a directory' : null),
        false,
      ),
      initial: null,
      initialWords: 'none: no audit',
      guards: true,
      doc: 'File that gets a line for each call, each change by an admin, each sign-in and refusal (docs/AUDIT.md). `-`: they stand in the log.',
    }),
  },
  cluster: clusterSettings,
  metrics: {
    public: setting({
      kind: flagValue(),
      initial: false,
      doc: 'Whether GET /metrics is open to everyone instead of admins only.',
    }),
  },
  secrets: secretSettings,
  tls: {
    certFile: setting({
      kind: optionalText('the path of a PEM file', () => null),
      initial: null,
      initialWords: 'none: http',
      restart: true,
      doc: 'Certificate that the port shows, with the chain behind it; the gateway then speaks https alone. A renewed file is taken without a restart.',
    }),
    keyFile: setting({
      kind: optionalText('the path of a PEM file', () => null),
      initial: null,
      restart: true,
      doc: 'Its private key, without a passphrase.',
    }),
    clientCaFile: setting({
      kind: optionalText('the path of a PEM file', () => null),
      initial: null,
      guards: true,
      restart: true,
      doc: 'Authorities of clients: only who shows a certificate of theirs gets a connection. None: no certificate is asked for.',
    }),
  },
  storage: {
    type: setting({
      kind: choice('sqlite', 'memory'),
      initial: 'sqlite',
      restart: true,
      doc: 'Where servers registered over the admin API are kept. memory forgets them at exit.',
    }),
    path: setting({
      kind: text('a directory'),
      initial: ({ stateDirectory }) => stateDirectory,
      restart: true,
      initialWords: '/var/lib/compozy if writable, else $XDG_STATE_HOME/compozy or ~/.local/state/compozy',
      doc: 'State directory.',
    }),
  },
  limits: limitSettings,
  timeouts: {
    sessionIdleMs: setting({
      kind: duration(1),
      initial: 30 * minuteMs,
      doc: 'A session without traffic ends after this long.',
    }),
    sessionAbsoluteMs: setting({
      kind: duration(0),
      initial: 0,
      doc: 'A session ends after this long whatever happens. 0: it lives as long as it is used.',
    }),
    laneIdleMs: setting({
      kind: duration(1),
      initial: 5 * minuteMs,
      doc: 'A connection to a server that nobody uses is closed after this long.',
    }),
    heartbeatMs: setting({
      kind: duration(1, 15 * secondMs),
      initial: 15 * secondMs,
      doc: 'Silence on an event stream after which a comment is sent.',
    }),
    streamAfterMs: setting({
      kind: duration(1),
      initial: 3 * secondMs,
      doc: 'A call that takes longer is answered as an event stream.',
    }),
    callIdleMs: setting({
      kind: duration(1),
      initial: 30 * minuteMs,
      doc: 'Longest silence of one call, restarted by its progress.',
    }),
    callTotalMs: setting({ kind: duration(1), initial: 4 * hourMs, doc: 'Longest duration of one call.' }),
    clientInputMs: setting({
      kind: duration(1),
      initial: 10 * minuteMs,
      doc: 'How long a call waits for input of its client.',
    }),
    startWaitMs: setting({
      kind: duration(1, 10 * minuteMs),
      initial: 20 * secondMs,
      doc: 'How long a request waits for a server that is still starting before it is told so; `initialize` waits two and a half times as long.',
    }),
    stopGraceMs: setting({
      kind: duration(1, 5 * minuteMs),
      initial: 3 * secondMs,
      doc: 'Time between the steps of stopping a process: end of input, TERM, KILL.',
    }),
    healthProbeMs: setting({
      kind: duration(1, 5 * minuteMs),
      initial: 5 * secondMs,
      doc: 'Longest wait for the answer to a health probe.',
    }),
  },
} as const

type Frozen<T> = T extends (infer E)[] ? readonly E[] : T

type ValuesOf<T> = {
  readonly [K in keyof T]: T[K] extends Setting<infer S> ? Frozen<Static<S>> : ValuesOf<T[K]>
}

/** The whole configuration: checked, every default applied, deeply frozen. */
export type Config = ValuesOf<typeof settings> & {
  /** From `mcps`, `mcpServers` and `--mcp-import`, in that order; names are unique. */
  readonly servers: readonly ServerDefinition[]
}
