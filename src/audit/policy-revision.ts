/**
 * Which policy was in force when a line was written: a short hash of everything that decides who may do what. The same
 * rules have the same hash, also after a restart and on another machine; what changes nothing of them does not change
 * it. It is made when it is first needed after a change.
 */
import { createHash } from 'node:crypto'
import { digestOf } from '../access/tokens.ts'
import type { Config } from '../config/schema.ts'
import type { ServerDefinition } from '../registry/definition.ts'

export interface PolicySource {
  /** Another number after each change; asked with each line. */
  version(): number
  readonly settings: { readonly config: PolicySettings }
  definitions(): readonly ServerDefinition[]
  /** What else decides, from rooms of their own: keys, approvals. Values of JSON without secrets. */
  others(): Readonly<Record<string, unknown>>
}

type PolicySettings = Pick<Config, 'auth' | 'defaultGroup' | 'security' | 'pinning'>

const hashDigits = 12

export class PolicyRevision {
  readonly #source: PolicySource
  #version = Number.NaN
  #text = ''

  constructor(source: PolicySource) {
    this.#source = source
  }

  /** Something is another that no version tells. */
  forget(): void {
    this.#version = Number.NaN
  }

  get text(): string {
    const version = this.#source.version()
    if (version !== this.#version) {
      this.#version = version
      this.#text = revisionOf(this.#source.settings.config, this.#source.definitions(), this.#source.others())
    }
    return this.#text
  }
}

/** Pure. */
export function revisionOf(
  { auth, defaultGroup, security, pinning }: PolicySettings,
  definitions: readonly ServerDefinition[],
  others: Readonly<Record<string, unknown>>,
): string {
  const { issuers, access, login } = auth.oauth
  const policy = {
    global: digests(auth.globalTokens),
    admin: digests(auth.adminTokens),
    adminAllowIps: [...auth.adminAllowIps].sort(),
    trustedProxies: [...security.trustedProxies].sort(),
    issuers: issuers.map(({ issuer, audiences, clients, claims }) => [issuer, audiences, clients, claims]),
    access,
    roles: [login.issuer, login.viewer, login.operator, login.admin],
    defaultGroup,
    pinning,
    servers: [...definitions].sort((a, b) => (a.name < b.name ? -1 : 1)).map(doorsOf),
    others,
  }
  return createHash('sha256').update(JSON.stringify(policy)).digest('hex').slice(0, hashDigits)
}

function doorsOf(definition: ServerDefinition): unknown {
  const { name, authTokens, authTokensOnly, allowedIPs, requireAuth, access, toolFilter, group, pin } =
    definition
  return [
    name,
    digests(authTokens),
    authTokensOnly,
    [...allowedIPs].sort(),
    requireAuth,
    access,
    toolFilter,
    group?.members ?? null,
    pin,
  ]
}

function digests(tokens: readonly string[]): string[] {
  return tokens.map((token) => Buffer.from(digestOf(token)).toString('hex')).sort()
}
