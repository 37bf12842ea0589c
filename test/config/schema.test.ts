/** Pins the outward surface of the configuration: names, defaults and bounds are promises to users. */
import { describe, expect, test } from 'bun:test'
import { namedSettings } from '../../src/config/shape.ts'
import { defaultConfig } from '../support/default-config.ts'

const machine = { stateDirectory: '/state', terminal: false }

describe('the table of settings', () => {
  test('names every key, variable and flag as published', () => {
    const names = namedSettings.map(({ key, env, flag }) =>
      [key, env, flag === null ? '' : `--${flag}`].join(' '),
    )
    expect(names).toEqual([
      'host MCP_PROXY_HOST --mcp-host',
      'port MCP_PROXY_PORT --mcp-port',
      'workers MCP_PROXY_WORKERS --workers',
      'base_url MCP_PROXY_BASE_URL --mcp-base-url',
      'reload MCP_PROXY_RELOAD ',
      'shutdown_timeout MCP_PROXY_SHUTDOWN_TIMEOUT --mcp-shutdown-timeout',
      'default_group MCP_PROXY_DEFAULT_GROUP ',
      'console MCP_PROXY_CONSOLE ',
      'pinning MCP_PROXY_PINNING ',
      'auth.global_tokens MCP_PROXY_GLOBAL_AUTH_TOKENS --mcp-global-auth-tokens',
      'auth.admin_tokens MCP_PROXY_ADMIN_TOKENS --mcp-admin-tokens',
      'auth.admin_allow_ips MCP_PROXY_ADMIN_ALLOW_IPS --mcp-admin-allow-ips',
      'auth.keys MCP_PROXY_AUTH_KEYS ',
      'auth.oauth.issuers MCP_PROXY_AUTH_OAUTH_ISSUERS ',
      'auth.oauth.scopes MCP_PROXY_AUTH_OAUTH_SCOPES ',
      'auth.oauth.access MCP_PROXY_AUTH_OAUTH_ACCESS ',
      'auth.oauth.login.issuer MCP_PROXY_AUTH_OAUTH_LOGIN_ISSUER ',
      'auth.oauth.login.client_id MCP_PROXY_AUTH_OAUTH_LOGIN_CLIENT_ID ',
      'auth.oauth.login.client_secret MCP_PROXY_AUTH_OAUTH_LOGIN_CLIENT_SECRET ',
      'auth.oauth.login.scopes MCP_PROXY_AUTH_OAUTH_LOGIN_SCOPES ',
      'auth.oauth.login.viewer MCP_PROXY_AUTH_OAUTH_LOGIN_VIEWER ',
      'auth.oauth.login.operator MCP_PROXY_AUTH_OAUTH_LOGIN_OPERATOR ',
      'auth.oauth.login.admin MCP_PROXY_AUTH_OAUTH_LOGIN_ADMIN ',
      'admin.stdio MCP_PROXY_ADMIN_STDIO ',
      'admin.commands MCP_PROXY_ADMIN_COMMANDS ',
      'security.trusted_proxies MCP_PROXY_TRUSTED_PROXIES --mcp-trusted-proxies',
      'security.allowed_hosts MCP_PROXY_SECURITY_ALLOWED_HOSTS ',
      'security.allowed_origins MCP_PROXY_SECURITY_ALLOWED_ORIGINS ',
      'security.private_upstreams MCP_PROXY_SECURITY_PRIVATE_UPSTREAMS ',
      'security.child_environment MCP_PROXY_SECURITY_CHILD_ENVIRONMENT ',
      'logging.level MCP_PROXY_LOG_LEVEL --mcp-log-level',
      'logging.format MCP_PROXY_LOG_FORMAT --mcp-log-format',
      'logging.file MCP_PROXY_LOG_FILE --mcp-log-file',
      'audit.file MCP_PROXY_AUDIT_FILE ',
      'cluster.redis.url MCP_PROXY_CLUSTER_REDIS_URL ',
      'cluster.redis.sentinels MCP_PROXY_CLUSTER_REDIS_SENTINELS ',
      'cluster.redis.name MCP_PROXY_CLUSTER_REDIS_NAME ',
      'cluster.redis.tls.ca MCP_PROXY_CLUSTER_REDIS_TLS_CA ',
      'cluster.secret MCP_PROXY_CLUSTER_SECRET ',
      'cluster.name MCP_PROXY_CLUSTER_NAME ',
      'cluster.advertise MCP_PROXY_CLUSTER_ADVERTISE ',
      'cluster.lease MCP_PROXY_CLUSTER_LEASE ',
      'metrics.public MCP_PROXY_METRICS_PUBLIC ',
      'secrets.key COMPOZY_SECRETS_KEY ',
      'secrets.key_file MCP_PROXY_SECRETS_KEY_FILE ',
      'secrets.dirs MCP_PROXY_SECRETS_DIRS ',
      'secrets.exec MCP_PROXY_SECRETS_EXEC ',
      'tls.cert_file MCP_PROXY_TLS_CERT_FILE ',
      'tls.key_file MCP_PROXY_TLS_KEY_FILE ',
      'tls.client_ca_file MCP_PROXY_TLS_CLIENT_CA_FILE ',
      'storage.type MCP_PROXY_STORAGE_TYPE ',
      'storage.path MCP_PROXY_STORAGE_PATH ',
      'limits.body_bytes_max MCP_PROXY_LIMITS_BODY_BYTES_MAX ',
      'limits.line_bytes_max MCP_PROXY_LIMITS_LINE_BYTES_MAX ',
      'limits.result_bytes_max MCP_PROXY_LIMITS_RESULT_BYTES_MAX ',
      'limits.held_bytes_max MCP_PROXY_LIMITS_HELD_BYTES_MAX ',
      'limits.held_bytes_per_client_max MCP_PROXY_LIMITS_HELD_BYTES_PER_CLIENT_MAX ',
      'limits.sessions_max MCP_PROXY_LIMITS_SESSIONS_MAX ',
      'limits.sessions_per_client_max MCP_PROXY_LIMITS_SESSIONS_PER_CLIENT_MAX ',
      'limits.processes_max MCP_PROXY_LIMITS_PROCESSES_MAX ',
      'limits.processes_per_client_max MCP_PROXY_LIMITS_PROCESSES_PER_CLIENT_MAX ',
      'limits.in_flight_per_server_max MCP_PROXY_LIMITS_IN_FLIGHT_PER_SERVER_MAX ',
      'limits.group_list_items_max MCP_PROXY_LIMITS_GROUP_LIST_ITEMS_MAX ',
      'limits.group_list_bytes_max MCP_PROXY_LIMITS_GROUP_LIST_BYTES_MAX ',
      'limits.rate.per_second MCP_PROXY_LIMITS_RATE_PER_SECOND ',
      'limits.rate.burst MCP_PROXY_LIMITS_RATE_BURST ',
      'limits.replay_events_max MCP_PROXY_LIMITS_REPLAY_EVENTS_MAX ',
      'limits.replay_bytes_max MCP_PROXY_LIMITS_REPLAY_BYTES_MAX ',
      'limits.stream_buffer_bytes_max MCP_PROXY_LIMITS_STREAM_BUFFER_BYTES_MAX ',
      'limits.parked_calls_max MCP_PROXY_LIMITS_PARKED_CALLS_MAX ',
      'timeouts.session_idle MCP_PROXY_TIMEOUTS_SESSION_IDLE ',
      'timeouts.session_absolute MCP_PROXY_TIMEOUTS_SESSION_ABSOLUTE ',
      'timeouts.lane_idle MCP_PROXY_TIMEOUTS_LANE_IDLE ',
      'timeouts.heartbeat MCP_PROXY_TIMEOUTS_HEARTBEAT ',
      'timeouts.stream_after MCP_PROXY_TIMEOUTS_STREAM_AFTER ',
      'timeouts.call_idle MCP_PROXY_TIMEOUTS_CALL_IDLE ',
      'timeouts.call_total MCP_PROXY_TIMEOUTS_CALL_TOTAL ',
      'timeouts.client_input MCP_PROXY_TIMEOUTS_CLIENT_INPUT ',
      'timeouts.start_wait MCP_PROXY_TIMEOUTS_START_WAIT ',
      'timeouts.stop_grace MCP_PROXY_TIMEOUTS_STOP_GRACE ',
      'timeouts.health_probe MCP_PROXY_TIMEOUTS_HEALTH_PROBE ',
    ])
  })

  test('has these defaults', () => {
    expect(defaultConfig(machine)).toEqual({
      host: '127.0.0.1',
      port: 6001,
      workers: 1,
      baseUrl: null,
      reload: 'off',
      shutdownTimeoutMs: 10_000,
      defaultGroup: null,
      console: true,
      pinning: 'off',
      auth: {
        globalTokens: [],
        adminTokens: [],
        adminAllowIps: [],
        keys: [],
        oauth: {
          issuers: [],
          scopes: [],
          access: [],
          login: {
            issuer: null,
            clientId: null,
            clientSecret: null,
            scopes: ['openid', 'profile'],
            viewer: null,
            operator: null,
            admin: null,
          },
        },
      },
      admin: { stdio: 'enabled', commands: [] },
      security: {
        trustedProxies: [],
        allowedHosts: [],
        allowedOrigins: [],
        privateUpstreams: 'allowed',
        childEnvironment: [],
      },
      logging: { level: 'info', format: 'json', file: null },
      audit: { file: null },
      cluster: {
        redis: { url: null, sentinels: [], name: 'mymaster', tls: { ca: null } },
        secret: [],
        name: 'default',
        advertise: null,
        leaseMs: 4_000,
      },
      metrics: { public: false },
      secrets: { key: null, keyFile: null, dirs: [], exec: 'off' },
      tls: { certFile: null, keyFile: null, clientCaFile: null },
      storage: { type: 'sqlite', path: '/state' },
      limits: {
        bodyBytesMax: 4_194_304,
        lineBytesMax: 67_108_864,
        resultBytesMax: 67_108_864,
        heldBytesMax: 134_217_728,
        heldBytesPerClientMax: 67_108_864,
        sessionsMax: 10_000,
        sessionsPerClientMax: 1_000,
        processesMax: 256,
        processesPerClientMax: 128,
        inFlightPerServerMax: 1_024,
        groupListItemsMax: 2_000,
        groupListBytesMax: 4_194_304,
        rate: { perSecond: 0, burst: 20 },
        replayEventsMax: 1_024,
        replayBytesMax: 4_194_304,
        streamBufferBytesMax: 16_777_216,
        parkedCallsMax: 1_000,
      },
      timeouts: {
        sessionIdleMs: 1_800_000,
        sessionAbsoluteMs: 0,
        laneIdleMs: 300_000,
        heartbeatMs: 15_000,
        streamAfterMs: 3_000,
        callIdleMs: 1_800_000,
        callTotalMs: 14_400_000,
        clientInputMs: 600_000,
        stopGraceMs: 3_000,
        healthProbeMs: 5_000,
        startWaitMs: 20_000,
      },
      servers: [],
    })
  })

  test('logs for people on a terminal', () => {
    expect(defaultConfig({ ...machine, terminal: true }).logging.format).toBe('pretty')
  })

  test('freezes the configuration to its leaves', () => {
    const config = defaultConfig(machine)
    expect([config, config.limits.rate, config.auth.adminTokens, config.servers].every(Object.isFrozen)).toBe(
      true,
    )
  })

  test('reads back what it shows, for every default', () => {
    for (const { key, setting } of namedSettings) {
      const value = typeof setting.initial === 'function' ? setting.initial(machine) : setting.initial
      const text = setting.kind.show(value)
      if (text === '') continue
      expect({ key, ...setting.kind.read(text) }).toEqual({ key, value })
    }
  })

  test('says of each setting what it does, in a sentence', () => {
    expect(
      namedSettings.filter(({ setting }) => !/^[A-Z].*\.$/.test(setting.doc)).map(({ key }) => key),
    ).toEqual([])
  })
})
