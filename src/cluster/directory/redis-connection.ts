/**
 * Two connections to Redis, for questions and for hints: found anew by themselves, and never waited for longer than
 * `answerMs`. What was asked on a connection that is lost has failed: whether it was done is not known, and it is not
 * sent again.
 */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { Redis, type RedisOptions } from 'ioredis'
import { reasonOf } from '../../errors.ts'
import { DirectoryDown } from './directory.ts'
import type { Script } from './redis-scripts.ts'

/** Where Redis is found. */
export interface RedisPlace {
  /** `redis://` or `rediss://`, with user, password and number of the database where there are any. */
  readonly url: string
  /** Who knows where it is, as `host:port`; none: it is where the URL says. */
  readonly sentinels: readonly string[]
  /** Under which name they know it. */
  readonly masterName: string
  /** A PEM file of authorities; null for those of the system. */
  readonly caFile: string | null
}

/** Longer than a store that writes its memory to disk stands still, and much shorter than a lease. */
const answerMs = 1_000
const reconnectMsMax = 500
/** Hints may have stopped without a word: their connection is asked now and then whether it is there. */
const hintsCheckMs = 5_000
const sentinelPort = 26_379
/** Why it cannot be reached is told no oftener. */
const tellMsMin = 10_000

type Options = RedisOptions & { readonly replyMapping: 'legacy' }

export class RedisConnection {
  readonly #redis: Redis
  readonly #hints: Redis
  readonly #channel: string
  readonly #failed: (reason: string) => void
  readonly #upListeners: ((isUp: boolean) => void)[] = []
  readonly #hintsCheck: ReturnType<typeof setInterval>
  /** In front of its own hints, which come back to it as well. */
  readonly #sender = `${crypto.randomUUID()} `
  #isUp = false
  #lastReason = ''
  /** Monotonic. */
  #toldAtMs = Number.NEGATIVE_INFINITY
  #closed = false

  /** `channel` is that of hints. */
  constructor(place: RedisPlace, channel: string, failed: (reason: string) => void) {
    this.#channel = channel
    this.#failed = failed
    const options = optionsOf(place)
    this.#redis = new Redis(options)
    this.#redis.on('ready', () => {
      if (!this.#isWrongDatabase) this.#setUp(true)
    })
    this.#redis.on('close', () => {
      if (this.#isUp) this.#lost('the connection was closed')
    })
    this.#redis.on('error', (thrown) => this.#lost(reasonOf(thrown)))
    this.#hints = new Redis({ ...options, enableOfflineQueue: true })
    // What is wrong is told by the other one.
    this.#hints.on('error', () => {})
    this.#hints.subscribe(channel).catch(() => {})
    for (const redis of [this.#redis, this.#hints]) redis.on('end', () => this.#beginAgain(redis))
    this.#hintsCheck = setInterval(() => this.#checkHints(), hintsCheckMs)
    this.#hintsCheck.unref()
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** The client would go on with the first one. */
  get #isWrongDatabase(): boolean {
    return /DB index/.test(this.#lastReason)
  }

  onUp(listener: (isUp: boolean) => void): void {
    this.#upListeners.push(listener)
  }

  /** The answer of a script. Rejects with a DirectoryDown. */
  async run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const rest = [...keys, ...args]
    if (this.#isWrongDatabase) throw new DirectoryDown(this.#lastReason)
    try {
      return await this.#redis.evalsha(script.digest, keys.length, ...rest)
    } catch (thrown) {
      if (!reasonOf(thrown).startsWith('NOSCRIPT')) throw this.#down(thrown)
    }
    // It was not run: Redis has started anew, and knows none.
    return await this.#redis.eval(script.text, keys.length, ...rest).catch((thrown: unknown) => {
      throw this.#down(thrown)
    })
  }

  /** The fields of a hash, null for those that are not there. Rejects with a DirectoryDown. */
  async fields(key: string, names: readonly string[]): Promise<unknown> {
    return await this.#redis.hmget(key, ...names).catch((thrown: unknown) => {
      throw this.#down(thrown)
    })
  }

  publish(text: string): void {
    this.#redis
      .publish(this.#channel, `${this.#sender}${text}`)
      .catch((thrown: unknown) => void this.#down(thrown))
  }

  onMessage(listener: (text: string) => void): void {
    this.#hints.on('message', (_channel: string, text: string) => {
      if (!text.startsWith(this.#sender)) listener(text.slice(this.#sender.length))
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#hintsCheck)
    this.#hints.disconnect()
    this.#redis.disconnect()
    await Promise.resolve()
  }

  /** The client gives up for good where a connection is cut while it looks for a server; nobody else would begin again. */
  #beginAgain(redis: Redis): void {
    if (this.#closed) return
    setTimeout(() => {
      if (this.#closed) return
      const again = redis === this.#hints ? () => redis.subscribe(this.#channel) : () => null
      redis
        .connect()
        .then(again)
        .catch(() => {})
    }, reconnectMsMax).unref()
  }

  #checkHints(): void {
    const { status } = this.#hints
    if (this.#closed || status !== 'ready') return
    this.#hints.ping().catch(() => this.#hints.disconnect(true))
  }

  #down(thrown: unknown): DirectoryDown {
    const reason = reasonOf(thrown)
    // A server that stands still would keep the connection, and all that is asked on it, for ever.
    if (/timed? ?out/i.test(reason) && this.#isUp && !this.#closed) {
      this.#lost(`no answer within ${answerMs} ms`)
      this.#redis.disconnect(true)
    }
    return new DirectoryDown(this.#isUp ? reason : this.#lastReason || 'not connected yet')
  }

  #lost(reason: string): void {
    const shown = withoutSecrets(reason)
    const isNew = shown !== this.#lastReason
    this.#lastReason = shown
    this.#setUp(false)
    // Each attempt fails for a reason of its own.
    const nowMs = performance.now()
    if (!isNew || this.#closed || nowMs - this.#toldAtMs < tellMsMin) return
    this.#toldAtMs = nowMs
    this.#failed(shown)
  }

  #setUp(isUp: boolean): void {
    if (isUp) {
      this.#lastReason = ''
      this.#toldAtMs = Number.NEGATIVE_INFINITY
    }
    if (isUp === this.#isUp || this.#closed) return
    this.#isUp = isUp
    for (const listener of this.#upListeners) listener(isUp)
  }
}

function optionsOf({ url, sentinels, masterName, caFile }: RedisPlace): Options {
  const { protocol, username, password, hostname, port, pathname } = new URL(url)
  const ca = caFile === null ? {} : { ca: readFileSync(caFile) }
  const bareHost = hostname.replace(/^\[(.*)\]$/, '$1')
  // An address is no name that a certificate could be chosen by.
  const serverName = isIP(bareHost) === 0 ? { servername: bareHost } : {}
  const tls = protocol === 'rediss:' ? { tls: { ...serverName, ...ca } } : {}
  const place =
    sentinels.length === 0
      ? { host: bareHost, port: Number(port) || 6379 }
      : {
          sentinels: sentinels.map(sentinelOf),
          name: masterName,
          failoverDetector: true,
          sentinelCommandTimeout: answerMs,
          sentinelRetryStrategy: reconnectMs,
          enableTLSForSentinelMode: protocol === 'rediss:',
          ...('tls' in tls ? { sentinelTLS: tls.tls } : {}),
        }
  return {
    ...place,
    ...tls,
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    db: Number(pathname.slice(1)) || 0,
    protocol: 2,
    replyMapping: 'legacy',
    disableClientInfo: true,
    connectTimeout: answerMs,
    commandTimeout: answerMs,
    // What cannot be sent now fails now.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: reconnectMs,
    // After a failover the one that was asked may be the replica.
    reconnectOnError: (error) => /^(?:READONLY|MASTERDOWN|LOADING)/.test(error.message),
  }
}

function reconnectMs(attempt: number): number {
  return Math.min(reconnectMsMax, 25 * 2 ** attempt) * (0.75 + Math.random() / 4)
}

function sentinelOf(text: string): { host: string; port: number } {
  const [, host = text, port = ''] = /^(.*?)(?::(\d+))?$/.exec(text) ?? []
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) || sentinelPort }
}

/** Some errors repeat the command that they are about, and that may have been AUTH. */
function withoutSecrets(reason: string): string {
  if (/^Unknown RESP type|^Protocol error/.test(reason)) return 'what answers there is no Redis'
  return reason
    .replace(/:\/\/[^@\s]*@/g, '://***@')
    .replace(/ Retrying from scratch after [\d.]+ms\./, '')
    .slice(0, 200)
}
