/**
 * Two connections to Redis, for questions and for hints: found anew by themselves, and never waited for longer than
 * `answerMs`. What was asked on a connection that is lost has failed: whether it was done is not known, and it is not
 * sent again.
 */
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { Redis, type RedisOptions } from 'ioredis'
import { reasonOf, systemReason } from '../../errors.ts'
import { isLoopbackHost } from '../../net/host.ts'
import { DirectoryDown } from './directory.ts'
import { faultOf, isRefusal, type RedisAsked, type RedisStanding, standingOf } from './redis-faults.ts'
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

/** Who is told of what is wrong with it. */
export interface RedisListener {
  /** It cannot be used, and why: once for each time. */
  failed(reason: string): void
  /** It can, and something will go wrong with it. */
  doubtful(problem: string): void
}

/** Longer than a store that writes its memory to disk stands still, and much shorter than a lease. */
const answerMs = 1_000
const noAnswer = `no answer within ${answerMs} ms`
const reconnectMsMax = 500
/** Hints may have stopped without a word: their connection is asked now and then whether it is there. */
const hintsCheckMs = 5_000
const sentinelPort = 26_379
/** Why it cannot be reached is told no oftener. */
const tellMsMin = 10_000
/** How it stands is asked again after so long: a setting of it may have been changed. */
const standingMs = 60_000

type Options = RedisOptions & { readonly replyMapping: 'legacy' }

export class RedisConnection {
  readonly #redis: Redis
  readonly #hints: Redis
  readonly #channel: string
  readonly #asked: RedisAsked
  readonly #told: RedisListener
  readonly #upListeners: ((isUp: boolean) => void)[] = []
  readonly #hintsCheck: ReturnType<typeof setInterval>
  /** In front of its own hints, which come back to it as well. */
  readonly #sender = `${crypto.randomUUID()} `
  #isUp = false
  #lastReason = ''
  /** Why it does nothing that it is asked, though it answers; empty where it does. */
  #refused = ''
  /** Why it takes no hints, and brings none, though it does all the rest; empty where it does. */
  #mute = ''
  #deaf = ''
  #problems: readonly string[] = []
  /** Monotonic: when it is asked next how it stands. */
  #standingDueMs = 0
  /** Monotonic. */
  #toldAtMs = Number.NEGATIVE_INFINITY
  #closed = false

  /** `channel` is that of hints. */
  constructor(place: RedisPlace, channel: string, told: RedisListener) {
    this.#channel = channel
    this.#told = told
    this.#asked = askedFor(place)
    const options = optionsOf(place)
    this.#redis = new Redis(options)
    this.#redis.on('ready', () => void this.#look())
    this.#redis.on('close', () => {
      if (this.#isUp) this.#lost('the connection was closed')
    })
    this.#redis.on('error', (thrown) => this.#lost(reasonOf(thrown)))
    this.#hints = new Redis({ ...options, autoResubscribe: false })
    // What is wrong is told by the other one.
    this.#hints.on('error', () => {})
    this.#hints.on('ready', () => void this.#subscribe())
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

  /** What is wrong with it, a sentence each. */
  get problems(): string[] {
    const reasons = this.#isUp ? [this.#refused, this.#mute, this.#deaf] : [this.#lastReason]
    return [...new Set([...reasons, ...this.#problems])].filter((problem) => problem !== '')
  }

  /** The answer of a script. Rejects with a DirectoryDown. */
  async run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const rest = [...keys, ...args]
    this.#checkUp()
    try {
      const answer = await this.#redis.evalsha(script.digest, keys.length, ...rest)
      this.#refused = ''
      return answer
    } catch (thrown) {
      if (!reasonOf(thrown).startsWith('NOSCRIPT')) throw this.#down(thrown)
    }
    // It was not run: Redis has started anew, and knows none.
    const answer = await this.#redis.eval(script.text, keys.length, ...rest).catch((thrown: unknown) => {
      throw this.#down(thrown)
    })
    this.#refused = ''
    return answer
  }

  /** One that is connected may be the copy of another, which tells of what was. */
  #checkUp(): void {
    if (!this.#isUp) throw new DirectoryDown(this.#lastReason || 'not connected yet')
  }

  /** The fields of a hash, null for those that are not there. Rejects with a DirectoryDown. */
  async fields(key: string, names: readonly string[]): Promise<unknown> {
    this.#checkUp()
    return await this.#redis.hmget(key, ...names).catch((thrown: unknown) => {
      throw this.#down(thrown)
    })
  }

  publish(text: string): void {
    this.#redis
      .publish(this.#channel, `${this.#sender}${text}`)
      .then(
        () => '',
        (thrown: unknown) => {
          const { message } = this.#down(thrown)
          return isRefusal(reasonOf(thrown)) ? message : this.#mute
        },
      )
      .then((mute) => {
        this.#mute = mute
      })
  }

  /** Whether hints of others are known not to come. */
  get isMute(): boolean {
    return this.#mute !== '' || this.#deaf !== '' || this.#hints.status !== 'ready'
  }

  async #subscribe(): Promise<void> {
    try {
      await this.#hints.subscribe(this.#channel)
      this.#deaf = ''
    } catch (thrown) {
      const reason = reasonOf(thrown)
      if (isRefusal(reason)) this.#deaf = this.#shown(reason)
      else if (!this.#closed) this.#hints.disconnect(true)
    }
  }

  onMessage(listener: (text: string) => void): void {
    this.#hints.on('message', (_channel: string, text: string) => {
      if (!text.startsWith(this.#sender)) listener(text.slice(this.#sender.length))
    })
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#hintsCheck)
    this.#hints.disconnect()
    this.#redis.disconnect()
  }

  /** The client gives up for good where a connection is cut while it looks for a server; nobody else would begin again. */
  #beginAgain(redis: Redis): void {
    if (this.#closed) return
    setTimeout(() => {
      if (this.#closed) return
      redis.connect().catch(() => {})
    }, reconnectMsMax).unref()
  }

  /** Whether it can be used, and what is wrong with it. */
  async #look(): Promise<void> {
    this.#standingDueMs = performance.now() + standingMs
    const answer = await this.#redis.info().catch((thrown: unknown) => ({ refused: reasonOf(thrown) }))
    // It was lost meanwhile, and is looked for by the client; or the number of the database is wrong.
    if (this.#redis.status !== 'ready' || this.#isWrongDatabase) return
    const { unusable, problems } = this.#standing(answer)
    const fresh = problems.filter((problem) => !this.#problems.includes(problem))
    this.#problems = problems
    for (const problem of fresh) this.#told.doubtful(problem)
    if (unusable === null) {
      this.#setUp(true)
      return
    }
    this.#lost(unusable)
    // It may become another one's place, or be what was looked for a moment later.
    setTimeout(() => this.#closed || this.#redis.disconnect(true), reconnectMsMax).unref()
  }

  #standing(answer: string | { readonly refused: string }): RedisStanding {
    if (typeof answer === 'string') return standingOf(answer, this.#asked)
    const { refused } = answer
    // A user that may not ask that may be good enough for all the rest.
    if (refused.startsWith('NOPERM')) return standingOf('', this.#asked)
    return { unusable: isRefusal(refused) ? refused : noAnswer, problems: this.#problems }
  }

  #checkHints(): void {
    if (this.#isUp && performance.now() > this.#standingDueMs) void this.#look()
    const { status } = this.#hints
    if (this.#closed || status !== 'ready') return
    if (this.#deaf !== '') void this.#subscribe()
    else this.#hints.ping().catch(() => this.#hints.disconnect(true))
  }

  #down(thrown: unknown): DirectoryDown {
    const reason = reasonOf(thrown)
    // A server that stands still would keep the connection, and all that is asked on it, for ever.
    if (/timed? ?out/i.test(reason) && this.#isUp && !this.#closed) {
      this.#lost(noAnswer)
      this.#redis.disconnect(true)
    }
    if (!this.#isUp) return new DirectoryDown(this.#lastReason || 'not connected yet')
    if (!isRefusal(reason)) return new DirectoryDown(reason)
    const refused = this.#shown(reason)
    if (refused !== this.#refused) this.#tell(refused)
    this.#refused = refused
    return new DirectoryDown(refused)
  }

  #lost(reason: string): void {
    const shown = this.#shown(reason)
    const isNew = shown !== this.#lastReason
    this.#lastReason = shown
    this.#setUp(false)
    if (isNew) this.#tell(shown)
  }

  #shown(reason: string): string {
    return faultOf(withoutSecrets(reason), this.#asked)
  }

  /** Each attempt fails for a reason of its own. */
  #tell(reason: string): void {
    const nowMs = performance.now()
    if (this.#closed || nowMs - this.#toldAtMs < tellMsMin) return
    this.#toldAtMs = nowMs
    this.#told.failed(reason)
  }

  #setUp(isUp: boolean): void {
    if (isUp) {
      this.#lastReason = ''
      this.#refused = ''
      this.#toldAtMs = Number.NEGATIVE_INFINITY
    }
    if (isUp === this.#isUp || this.#closed) return
    this.#isUp = isUp
    for (const listener of this.#upListeners) listener(isUp)
  }
}

function askedFor({ url, sentinels }: RedisPlace): RedisAsked {
  const { protocol, password, hostname, host } = new URL(url)
  return {
    where: sentinels.length > 0 ? sentinels.join(', ') : host,
    isLocal: sentinels.length === 0 && isLoopbackHost(hostname.replace(/^\[(.*)\]$/, '$1')),
    isTls: protocol === 'rediss:',
    hasPassword: password !== '',
  }
}

function authorities(file: string): { ca: Buffer } {
  try {
    return { ca: readFileSync(file) }
  } catch (thrown) {
    throw new Error(`cluster.redis.tls.ca cannot be read: ${systemReason(thrown)}`)
  }
}

function optionsOf({ url, sentinels, masterName, caFile }: RedisPlace): Options {
  const { protocol, username, password, hostname, port, pathname } = new URL(url)
  const ca = caFile === null ? {} : authorities(caFile)
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
    // What its check looks for is looked for here, and told.
    enableReadyCheck: false,
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
  return reason
    .replace(/:\/\/[^@\s]*@/g, '://***@')
    .replace(/ Retrying from scratch after [\d.]+ms\./, '')
    .slice(0, 200)
}
