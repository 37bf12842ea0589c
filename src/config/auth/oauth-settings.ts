/** The settings of OAuth in front of the gateway, and of people who sign in. Pure, like `values.ts`. */
import { Type } from '@sinclair/typebox'
import {
  type AccessRule,
  claimsSchema,
  ruleOf,
  ruleSchema,
  ruleToWire,
} from '../../registry/access/rule-schema.ts'
import { optional, text, textList } from '../../registry/field-schemas.ts'
import { secretMask } from '../../registry/mask.ts'
import { structured } from '../structured.ts'
import { list, optionalText, type Reading, setting } from '../values.ts'

/** How the gateway asks an issuer about tokens that it cannot read itself (RFC 7662). */
export interface IntrospectionSettings {
  readonly endpoint: string
  readonly clientId: string
  readonly clientSecret: string
}

/** An authorization server whose tokens are taken. */
export interface IssuerSettings {
  /** Exactly as its tokens and its metadata have it, with or without a slash at the end. */
  readonly issuer: string
  /** Audiences beside the URLs of endpoints. */
  readonly audiences: readonly string[]
  /** Clients whose tokens are taken; none: of all. */
  readonly clients: readonly string[]
  /** Where its tokens have each claim that rules name: a name, or a path with dots. */
  readonly claims: Readonly<Record<string, string>>
  /** Where its keys are; null: as its metadata says. */
  readonly jwksUri: string | null
  readonly introspection: IntrospectionSettings | null
}

/** The claims that a person must have for a role. */
export interface RoleSettings {
  readonly claims: Readonly<Record<string, readonly string[]>>
}

const issuersMax = 16
const rulesMax = 512
/** What claims are called where nobody says otherwise. */
const commonClaims = { groups: 'groups', scopes: 'scope' } as const

const printable = (takes: string) => Type.String({ pattern: '^[\\x21-\\x7e]{1,1024}$', description: takes })
const httpUrl = (takes: string) =>
  Type.String({
    pattern: '^https?://[^\\s/?#@\\\\]+(/[^\\s?#\\\\]*)?$',
    maxLength: 1_024,
    description: `${takes}: an https URL without query and credentials (http is for networks that you trust)`,
  })

const issuerSchema = Type.Object(
  {
    issuer: httpUrl('the issuer exactly as its tokens name it'),
    audiences: optional('', textList(64, printable('a text without spaces'))),
    clients: optional('', textList(256, printable('a text without spaces'))),
    claims: optional(
      '',
      Type.Record(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_-]{0,31}$' }), text(256), {
        additionalProperties: false,
        maxProperties: 16,
        description: 'a map from the names that rules use to claims of the token, such as { groups: roles }',
        keys: 'a name that rules can use',
      }),
    ),
    jwksUri: optional('', httpUrl('the place of its keys')),
    introspection: optional(
      '',
      Type.Object(
        {
          endpoint: httpUrl('the introspection endpoint'),
          clientId: printable('the id of the gateway at the issuer'),
          clientSecret: Type.String({
            minLength: 1,
            maxLength: 4_096,
            description: 'a text that is not empty',
          }),
        },
        {
          additionalProperties: false,
          description: 'a map with endpoint, client_id and client_secret',
        },
      ),
    ),
  },
  { additionalProperties: false, description: 'a map with an issuer' },
)

/** `auth.oauth.issuers`. */
function issuerList() {
  return structured({
    wire: Type.Array(issuerSchema, {
      maxItems: issuersMax,
      description: `a list of at most ${issuersMax} issuers`,
    }),
    takes: 'a list of issuers, such as [{ issuer: https://id.example.com }]',
    read(wire): Reading<readonly IssuerSettings[]> {
      const twice = wire.find(({ issuer }, at) => wire.findIndex((other) => other.issuer === issuer) !== at)
      if (twice !== undefined) return { fault: `has ${twice.issuer} twice; put all about it into one entry` }
      return {
        value: wire.map(({ issuer, audiences, clients, claims, jwksUri, introspection }) => ({
          issuer,
          audiences: audiences ?? [],
          clients: clients ?? [],
          claims: { ...commonClaims, ...claims },
          jwksUri: jwksUri ?? null,
          introspection: introspection ?? null,
        })),
      }
    },
    shown: (issuers) =>
      issuers.map(({ issuer, audiences, clients, claims, jwksUri, introspection }) => ({
        issuer,
        audiences,
        clients,
        claims,
        ...(jwksUri === null ? {} : { jwks_uri: jwksUri }),
        ...(introspection === null
          ? {}
          : {
              introspection: {
                endpoint: introspection.endpoint,
                client_id: introspection.clientId,
                client_secret: secretMask,
              },
            }),
      })),
  })
}

/** `auth.oauth.access`. A rule is spelled as in definitions: one shape for all. */
function ruleList() {
  return structured({
    wire: Type.Array(
      { ...ruleSchema, asWritten: true },
      { maxItems: rulesMax, description: `a list of at most ${rulesMax} rules` },
    ),
    takes: 'a list of rules, such as [{ who: { claims: { groups: [eng] } }, servers: [docs] }]',
    read(wire): Reading<readonly AccessRule[]> {
      const bare = wire.findIndex(({ servers }) => servers === undefined)
      if (bare >= 0) return { fault: `entry ${bare + 1}: servers is required; ["*"] names all` }
      const keyed = wire.findIndex(({ who }) => who?.keys !== undefined)
      if (keyed >= 0)
        return {
          fault: `entry ${keyed + 1}: who.keys has no meaning here; rules of keys stand with the keys`,
        }
      return { value: wire.map(ruleOf) }
    },
    shown: (rules) => rules.map(ruleToWire),
  })
}

function role() {
  const takes = 'a map with claims, such as { claims: { groups: [admins] } }'
  return structured({
    wire: Type.Object({ claims: claimsSchema }, { additionalProperties: false, description: takes }),
    takes,
    read: (value): Reading<RoleSettings | null> => ({ value }),
    shown: (value) => value,
  })
}

const scopePattern = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/
const clientIdPattern = /^[\x20-\x7e]{1,512}$/

function scopeList() {
  return list({
    takes: 'scopes',
    check: (entry) => {
      if (entry === 'offline_access') return 'is for clients to ask for; the gateway never does'
      return scopePattern.test(entry) ? null : 'is no scope'
    },
  })
}

/** The group `auth.oauth`. */
export const oauthSettings = {
  issuers: setting({
    kind: issuerList(),
    guards: true,
    initial: [],
    doc: 'Authorization servers whose tokens are taken, each with `issuer`, `audiences`, `clients`, `claims`, `jwks_uri` and `introspection`. None: no OAuth.',
  }),
  scopes: setting({
    kind: scopeList(),
    initial: [],
    doc: 'Scopes that clients are told to ask for.',
  }),
  access: setting({
    kind: ruleList(),
    initial: [],
    doc: 'Rules that say which servers, tools, prompts and resources signed-in users reach. None: only servers with `access` of their own that names them.',
  }),
  login: {
    issuer: setting({
      kind: optionalText('an https URL', (value) =>
        /^https?:\/\/[^\s/?#@\\]+(\/[^\s?#\\]*)?$/.test(value)
          ? null
          : 'must be an https URL without query and credentials',
      ),
      initial: null,
      doc: 'Issuer at which people sign in in a browser. None: with a token only.',
    }),
    clientId: setting({
      kind: optionalText('a client id', (value) =>
        clientIdPattern.test(value) ? null : 'must be printable ASCII',
      ),
      initial: null,
      doc: 'Id of the gateway at that issuer.',
    }),
    clientSecret: setting({
      kind: optionalText('a client secret', (value) =>
        value.length <= 4_096 ? null : 'must be at most 4096 characters',
      ),
      initial: null,
      secret: true,
      doc: 'Secret of the gateway at that issuer. None: it is a public client.',
    }),
    scopes: setting({
      kind: scopeList(),
      initial: ['openid', 'profile'],
      doc: 'Scopes that are asked for when people sign in; some issuers name groups only when a scope asks for them.',
    }),
    viewer: setting({
      kind: role(),
      initial: null,
      doc: 'Claims of people who may look at the admin API.',
    }),
    operator: setting({
      kind: role(),
      initial: null,
      doc: 'Claims of people who may also call tools, and restart, enable and disable servers.',
    }),
    admin: setting({ kind: role(), initial: null, doc: 'Claims of people who may do everything there.' }),
  },
} as const

/** The part of the configuration that OAuth and sign-in hang on. */
interface OAuthNeeds {
  readonly baseUrl: string | null
  readonly auth: {
    readonly oauth: {
      readonly issuers: readonly IssuerSettings[]
      readonly login: {
        readonly issuer: string | null
        readonly clientId: string | null
        readonly clientSecret: string | null
      }
    }
  }
}

/**
 * What is missing for OAuth or sign-in; null when nothing is. An audience or an address to come back to is never
 * made from what a request says of itself.
 */
export function oauthFault({ baseUrl, auth }: OAuthNeeds): string | null {
  const { issuers, login } = auth.oauth
  const needed = issuers.length > 0 ? 'auth.oauth.issuers' : login.issuer === null ? null : 'auth.oauth.login'
  if (needed !== null && baseUrl === null) {
    return `mcp_proxy.${needed} needs base_url: set it to the URL under which clients reach the gateway, such as https://tools.example.com`
  }
  if (login.issuer !== null && login.clientId === null) {
    return 'mcp_proxy.auth.oauth.login has an issuer but no client_id; register the gateway there and set it'
  }
  if (login.issuer === null && (login.clientId !== null || login.clientSecret !== null)) {
    return 'mcp_proxy.auth.oauth.login has a client but no issuer; set auth.oauth.login.issuer'
  }
  return null
}
