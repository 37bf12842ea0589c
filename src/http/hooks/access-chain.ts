/**
 * The hooks in their order, and whom they let in: what access.ts promises.
 *
 *   client address → Host and Origin → CORS preflight → admin rules → authentication → a server's addresses → limits
 */
import { AccessDecider } from '../../access/decide.ts'
import { anonymous, type Principal } from '../../access/principal.ts'
import type { Grants, RuledFields } from '../../access/reach.ts'
import { closedReason, type ServerDoor } from '../../access/server-door.ts'
import { bearerOf, type Digest, digestOf, digestOfAsked, keyIdIn } from '../../access/tokens.ts'
import { GatewayError, revokedError, serverUnknownError } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import type { KeyRing } from '../../identity/keys/key-ring.ts'
import type { BrowserSession, SignIn } from '../../identity/sign-in/sign-in.ts'
import { countingKey } from '../../net/address.ts'
import { headersForUpstream } from '../../net/header-policy.ts'
import { everythingGroup } from '../../registry/definition-schema.ts'
import { emptyLog, type RequestContext, senderOf } from '../context.ts'
import type { Access, Admission, GuardedServers } from './access.ts'
import { authenticateAdmin, checkAdminAddress } from './admin-door.ts'
import { checkRole } from './admin-roles.ts'
import { checkPage, sessionOf } from './browser-door.ts'
import { ClientMemory, settleClient } from './client.ts'
import { checkLength, issuerAskLimiter, type RateLimiter, rateLimiterOf, type SharedRates } from './limits.ts'
import { checkHost, checkOrigin, isTokenless, preflight } from './origin.ts'
import type { AccessRules } from './rules.ts'
import type { Target } from './target.ts'

/** Null to go on; a promise where that has to be asked. */
type Refusal = GatewayError | null | Promise<GatewayError | null>

/** One gateway's way in. */
export class AccessChain implements Access {
  /** As they were configured, and as they are in force: keys that were made since may ask admins who they are. */
  #configured: AccessRules
  #rules: AccessRules
  #rate: RateLimiter | null
  readonly #servers: GuardedServers
  readonly decider: AccessDecider
  /** Null where the configured tokens are all that counts. */
  identity: Identity | null
  /** Null as long as nobody has signed in in a browser. */
  readonly #signIn: () => SignIn | null
  /** Null while there are no keys. */
  readonly #keys: () => KeyRing | null
  readonly #asks = issuerAskLimiter()
  readonly #instance = crypto.randomUUID().slice(0, 8)
  #requests = 0
  version = 0
  sharedRates: SharedRates | null = null
  readonly #clients = new ClientMemory()

  constructor(
    rules: AccessRules,
    servers: GuardedServers,
    identity: Identity | null,
    signIn: () => SignIn | null,
    keys: () => KeyRing | null,
  ) {
    this.#signIn = signIn
    this.#keys = keys
    this.#configured = rules
    this.#rules = rules
    this.identity = identity
    this.#rate = rateLimiterOf(rules.settings.limits.rate)
    this.#servers = servers
    this.decider = new AccessDecider(rules.global)
    this.keysChanged()
  }

  admit(request: Request, target: Target, socketAddress: string | null): Admission {
    const startedAtMs = performance.now()
    const { headers } = request
    const rules = this.#rules
    const clients = this.#clients
    const peer = clients.peerOf(socketAddress)
    const host = clients.hostOf(headers.get('host') ?? '')
    const forwarding = rules.trusted.size === 0 ? clients.direct : settleClient(peer, headers, rules)
    const origin = headers.get('origin')
    const context: RequestContext = {
      request,
      place: 0,
      requestId: `${this.#instance}-${(++this.#requests).toString(36)}`,
      // Without OAuth its paths are none.
      area: target.area === 'discovery' && this.identity === null ? 'unknown' : target.area,
      path: target.path,
      server: target.server,
      endpoint: target.endpoint,
      peer,
      client: forwarding.client,
      externalBase: clients.baseOf(host, forwarding, rules),
      principal: anonymous,
      startedAtMs,
      corsOrigin: origin !== null && rules.origins.has(origin) ? origin : null,
      idleTimer: null,
      admittedBy: this,
      rulesVersion: this.version,
      bodyRead: request.method !== 'POST',
      untimed: false,
      log: emptyLog(),
    }
    if (host === null) {
      return { context, refusal: new GatewayError('BAD_REQUEST', 'The Host header is not a host name.') }
    }
    const { area } = context
    const early =
      checkHost(host, area, rules) ??
      checkOrigin(request, origin, area, host, context.externalBase, rules) ??
      preflight(request, origin, area, rules)
    if (early !== null) return { context, refusal: early }
    const refusal = this.#authenticate(context, target, headers, rules)
    if (refusal instanceof Promise) {
      return { context, refusal: refusal.then((late) => late ?? this.#limit(context, request, rules)) }
    }
    return { context, refusal: refusal ?? this.#limit(context, request, rules) }
  }

  reload(rules: AccessRules, identity: Identity | null): void {
    this.identity = identity
    const rate = rateLimiterOf(rules.settings.limits.rate)
    // An unchanged limit keeps its buckets: a reload must not refill them.
    if (rate?.perSecond !== this.#rate?.perSecond || rate?.burst !== this.#rate?.burst) this.#rate = rate
    this.#configured = rules
    this.keysChanged()
    this.decider.reload(rules.global)
  }

  keysChanged(): void {
    const keys = this.#keys()
    const adminAsks = this.#configured.adminAsks || keys?.closes('admins') === true
    this.#rules = { ...this.#configured, adminAsks }
    this.decider.keysAsk = keys?.closes('clients') === true
  }

  rulesChanged(): void {
    this.version++
  }

  refusalNow(context: RequestContext): GatewayError | null {
    const { area, principal, server, client, rulesVersion } = context
    const { grants } = principal
    if (rulesVersion === this.version) return null
    if (area === 'admin') return this.admitsAdmin(context) ? null : revokedError()
    if (area !== 'mcp') return null
    if (this.admits(principal.id, grants, server, false)) return this.#doorOf(server).checkAddress(client)
    return grants?.counts === true ? serverUnknownError(server) : revokedError()
  }

  admitsAdmin({ peer, client, request, principal, browser, path }: RequestContext): boolean {
    const rules = this.#rules
    if (checkAdminAddress(peer, client, request.headers, rules) !== null) return false
    if (browser !== undefined) {
      const role = this.#signIn()?.has(browser) === true ? browser.principal?.role : undefined
      return role !== undefined && checkRole(role, request.method, path) === null
    }
    if (!rules.adminAsks) return principal === anonymous
    if (rules.admin.holds(principal.id)) return true
    const now = this.#keys()?.current(principal)
    return now != null && checkRole(now.role, request.method, path) === null
  }

  holderOf(token: string): Principal | null {
    const key = this.#keys()?.find(token)
    if (key != null) return key
    const digest = digestOf(token)
    return this.#rules.admin.find(digest) ?? this.#rules.global.find(digest)
  }

  current(principal: Principal): Principal | null {
    const { id } = principal
    if (this.#rules.admin.holds(id) || this.#rules.global.holds(id)) return principal
    return this.#keys()?.current(principal) ?? null
  }

  get asksAdmins(): boolean {
    return this.#rules.adminAsks
  }

  get asksWho(): boolean {
    const { adminAsks, global } = this.#rules
    return adminAsks || global.size > 0 || this.identity !== null || this.decider.keysAsk
  }

  admits(principalId: string, grants: Grants | null, server: string, byGroup: boolean): boolean {
    if (grants !== null)
      return this.#reaches(grants, server) || (byGroup && this.#reachesInGroup(grants, server))
    // What a group reads for a person or a key: what they may see of it is decided where it is shown.
    if (/^(?:oauth|key|admin):/.test(principalId)) return true
    if (principalId === anonymous.id && this.decider.keysAsk) return false
    return this.#doorOf(server).admits(principalId, this.#rules.global, this.#guestsOf(server))
  }

  closedReason(server: string): string | null {
    const door = this.#doorOf(server)
    if ((this.identity !== null || this.decider.keysAsk) && !door.ownOnly) return null
    return door.isClosed(this.#rules.global, this.#guestsOf(server)) ? closedReason : null
  }

  headersForUpstream(request: Request, listed: readonly string[]): Record<string, string> | undefined {
    if (listed.length === 0) return undefined
    // What has opened this gateway is for this gateway, whoever has issued it.
    const presented =
      senderOf(request)?.role === 'anonymous' ? null : bearerOf(request.headers.get('authorization'))
    return headersForUpstream(request.headers, listed, (text) => {
      if (text === presented || keyIdIn(text) !== null) return true
      const digest = digestOf(text)
      return this.#rules.admin.find(digest) !== null || this.#isClientToken(digest)
    })
  }

  #authenticate(context: RequestContext, target: Target, headers: Headers, rules: AccessRules): Refusal {
    const { area } = target
    let outcome: Principal | GatewayError = anonymous
    if (area === 'mcp') {
      const door = this.#doorOf(target.server)
      const guests = this.#guestsOf(target.server)
      const authorization = headers.get('authorization')
      const key = this.#keyIn(authorization)
      if (key?.role === 'client') return this.#enter(context, target, door, key)
      if (this.identity !== null && !door.ownOnly) {
        return this.#identify(context, target, door, authorization, this.identity)
      }
      const { keysAsk } = this.decider
      return this.#enter(
        context,
        target,
        door,
        door.authenticate(authorization, rules.global, guests, keysAsk),
      )
    }
    if (area === 'admin' || (area === 'metrics' && !rules.settings.metrics.public)) {
      const refusal = checkAdminAddress(context.peer, context.client, headers, rules)
      if (refusal !== null) return refusal
      const authorization = isTokenless(area, rules) ? null : headers.get('authorization')
      if (authorization === null) {
        const browser = sessionOf(headers, context.externalBase, this.#signIn())
        if (browser !== null) return this.#enterAsPerson(context, browser)
      }
      const key = this.#keyIn(authorization)
      outcome = authenticateAdmin(authorization, rules, (digest) => this.#isClientToken(digest), key)
      if (key !== null && outcome === key) {
        context.principal = key
        return checkRole(key.role, context.request.method, target.path)
      }
    }
    if (area === 'me' || area === 'connect') return this.#enterMe(context, target, headers)
    if (area === 'console')
      return checkAdminAddress(context.peer, context.client, headers, rules) ?? this.#recognise(context)
    if (outcome instanceof GatewayError) return outcome
    context.principal = outcome
    return null
  }

  /** Who has shown a key; null for whatever is none that counts. */
  #keyIn(authorization: string | null): Principal | null {
    const keys = this.#keys()
    const token = keys === null ? null : bearerOf(authorization)
    return token === null || keys === null ? null : keys.find(token)
  }

  /** An admin path with a cookie: only for pages of the gateway's own, and only as far as the role goes. */
  #enterAsPerson(context: RequestContext, browser: BrowserSession): GatewayError | null {
    const { request, externalBase, path } = context
    const refusal = checkPage(request, browser, externalBase)
    if (refusal !== null) return refusal
    context.principal = browser.principal ?? anonymous
    context.browser = browser
    return checkRole(context.principal.role, request.method, path)
  }

  /** Takes note of the person whose browser this is; of nobody where it has no session. */
  #recognise(context: RequestContext): null {
    const browser = sessionOf(context.request.headers, context.externalBase, this.#signIn())
    if (browser === null) return null
    context.browser = browser
    context.principal = browser.principal ?? anonymous
    return null
  }

  /** Whoever it is: a browser, a token of the configuration, or one of an issuer. Nobody is refused but a bad token. */
  #enterMe(context: RequestContext, target: Target, headers: Headers): Refusal {
    const token = bearerOf(headers.get('authorization'))
    if (token === null) return this.#recognise(context)
    const settle = (found: Principal | GatewayError): GatewayError | null => {
      if (found instanceof GatewayError) return found
      context.principal = found
      return null
    }
    const holder = this.holderOf(token)
    if (holder !== null || this.identity === null) {
      return settle(holder ?? new GatewayError('UNAUTHENTICATED', 'The token is none that is configured.'))
    }
    const found = this.identity.identify(token, digestOfAsked(token), target, () => this.#mayAsk(context))
    return found instanceof Promise ? found.then(settle) : settle(found)
  }

  /** A token that is not configured may be of somebody all the same. */
  #identify(
    context: RequestContext,
    target: Target,
    door: ServerDoor,
    authorization: string | null,
    identity: Identity,
  ): Refusal {
    const token = bearerOf(authorization)
    if (token === null) return identity.askForToken(target)
    const digest = digestOfAsked(token)
    const holder = door.holderOf(digest, this.#rules.global, this.#guestsOf(target.server))
    const found = holder ?? identity.identify(token, digest, target, () => this.#mayAsk(context))
    return found instanceof Promise
      ? found.then((late) => this.#enter(context, target, door, late))
      : this.#enter(context, target, door, found)
  }

  #enter(
    context: RequestContext,
    target: Target,
    door: ServerDoor,
    found: Principal | GatewayError,
  ): GatewayError | null {
    if (found instanceof GatewayError) return found
    context.principal = found
    if (found.grants !== null && !this.#reaches(found.grants, target.server)) {
      return this.#outOfReach(found.grants, target)
    }
    // After the token: from elsewhere, a stranger would learn which servers exist.
    return door.checkAddress(context.client)
  }

  /** Whether rules let their holder come in here; where all servers are together each is decided for itself. */
  #reaches(grants: Grants, server: string): boolean {
    if (!grants.counts || this.#keepsOut(grants, server)) return false
    const fields = this.#fieldsOf(server)
    return fields === everythingGroup || grants.server(fields, null).allowed
  }

  #keepsOut({ passesDoors }: Grants, server: string): boolean {
    return passesDoors !== true && this.#doorOf(server).ownOnly
  }

  /** A call to a server may have come by a group, which its books do not tell. */
  #reachesInGroup(grants: Grants, server: string): boolean {
    if (!grants.counts || this.#keepsOut(grants, server)) return false
    const fields = this.#fieldsOf(server)
    for (const { definition } of this.#servers.groupsWith?.(server) ?? [])
      if (grants.server(definition, null).allowed && grants.server(fields, definition).allowed) return true
    return false
  }

  /** A server that is out of reach is not there, but for those who can ask for more. */
  #outOfReach(grants: Grants, target: Target): GatewayError {
    const scopes = grants.scopesFor(this.#fieldsOf(target.server))
    if (scopes !== null && this.identity !== null) return this.identity.askForScopes(target, scopes)
    return serverUnknownError(target.server)
  }

  /** What rules look at; of a server that does not exist, what they would look at if it did. */
  #fieldsOf(server: string): RuledFields {
    return this.#servers.of(server) ?? { name: server, access: null }
  }

  #mayAsk({ client, peer, startedAtMs }: RequestContext): GatewayError | null {
    const address = client ?? peer
    return this.#asks.check(address === null ? '' : countingKey(address), startedAtMs)
  }

  #limit(context: RequestContext, request: Request, rules: AccessRules): Refusal {
    const { principal, startedAtMs } = context
    const refusal =
      checkLength(request, rules.settings.limits.bodyBytesMax) ??
      principal.grants?.limits?.checkRate(startedAtMs) ??
      null
    if (refusal !== null || this.#rate === null || context.area === 'health') return refusal
    const address = context.client ?? context.peer
    // By address and token: clients behind one address are told apart, and so are holders of one token.
    const client = `${address === null ? '' : countingKey(address)} ${principal.id}`
    const { sharedRates } = this
    return sharedRates === null
      ? this.#rate.check(client, startedAtMs)
      : this.#rate.checkWith(sharedRates, client, startedAtMs)
  }

  #doorOf(server: string): ServerDoor {
    return this.decider.doorOf(this.#servers.of(server))
  }

  /** The doors of the servers in a group, looked up only when somebody's token is not the group's. */
  #guestsOf(server: string): () => readonly ServerDoor[] {
    return () => (this.#servers.membersOf?.(server) ?? []).map((fields) => this.decider.doorOf(fields))
  }

  #isClientToken(digest: Digest): boolean {
    if (this.#rules.global.find(digest) !== null) return true
    for (const name of this.#servers.names()) if (this.#doorOf(name).own.find(digest) !== null) return true
    return false
  }
}
