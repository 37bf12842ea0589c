/**
 * `oauth` of a definition: as whom, and in which way, the gateway gets tokens for a server. Shape, defaults and masks;
 * the rules between its fields are in oauth-rules.ts. Pure.
 */
import { type Static, Type } from '@sinclair/typebox'
import { flag, oneOf, text } from '../field-schemas.ts'
import { maskValue, secretMask } from '../mask.ts'
import { maskedAround } from '../secrets/references.ts'
import {
  assertionTypes,
  clientMethods,
  grants,
  type OAuthClientSettings,
  type OAuthSettings,
} from './oauth-settings.ts'

/** RFC 6749, 3.3. */
const scope = Type.String({
  pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,512}$',
  description: 'a scope: printable text without spaces, quotes and backslashes',
})

const printable = Type.String({
  pattern: '^[\\x21-\\x7e]{1,2048}$',
  description: 'printable text without spaces',
})

const client = Type.Object(
  {
    id: printable,
    secret: Type.Optional(text(4_096)),
    key: Type.Optional(text(16_384)),
    method: Type.Optional(oneOf(clientMethods)),
  },
  { additionalProperties: false, description: 'an object with id, secret, key and method' },
)

const identityProvider = Type.Object(
  { issuer: text(2_048), client },
  { additionalProperties: false, description: 'an object with issuer and client' },
)

/** The wire form. */
export const oauthSchema = Type.Object(
  {
    account: Type.Optional(oneOf(['shared', 'user'])),
    grant: Type.Optional(oneOf(grants)),
    issuer: Type.Optional(text(2_048)),
    client: Type.Optional(client),
    scopes: Type.Optional(
      Type.Unsafe<string[]>(Type.Array(scope, { maxItems: 64, description: 'a list of at most 64 scopes' })),
    ),
    resource: Type.Optional(text(2_048)),
    pkce: Type.Optional(oneOf(['advertised', 'assumed'])),
    dpop: Type.Optional(flag),
    assertion: Type.Optional(text(16_384)),
    assertionType: Type.Optional(oneOf(assertionTypes)),
    audience: Type.Optional(printable),
    identityProvider: Type.Optional(identityProvider),
  },
  {
    additionalProperties: false,
    description:
      'an object with account, grant, issuer, client, scopes, resource, pkce, dpop, assertion, assertionType, audience and identityProvider',
  },
)

export type OAuthWire = Static<typeof oauthSchema>
type ClientWire = NonNullable<OAuthWire['client']>

/** With every default applied. */
export function oauthOf(wire: OAuthWire): OAuthSettings {
  const { client: given, identityProvider: provider } = wire
  return {
    account: wire.account ?? 'shared',
    grant: wire.grant ?? 'authorization_code',
    issuer: wire.issuer ?? null,
    client: given === undefined ? null : clientOf(given),
    scopes: wire.scopes ?? null,
    resource: wire.resource ?? 'auto',
    pkce: wire.pkce ?? 'advertised',
    dpop: wire.dpop ?? false,
    assertion: wire.assertion ?? '',
    assertionType: wire.assertionType ?? null,
    audience: wire.audience ?? null,
    identityProvider:
      provider === undefined ? null : { issuer: provider.issuer, client: clientOf(provider.client) },
  }
}

function clientOf({ id, secret, key, method }: ClientWire): OAuthClientSettings {
  return { id, secret: secret ?? '', key: key ?? '', method: method ?? null }
}

/** Back in wire form, secrets and all; what is as usual is left out. */
export function oauthToWire(settings: OAuthSettings): OAuthWire {
  const { account, grant, issuer, client: known, scopes, resource, pkce } = settings
  const { dpop, assertion, assertionType, audience, identityProvider: provider } = settings
  return {
    ...(account === 'shared' ? {} : { account }),
    ...(grant === 'authorization_code' ? {} : { grant }),
    ...(issuer === null ? {} : { issuer }),
    ...(known === null ? {} : { client: clientToWire(known) }),
    ...(scopes === null ? {} : { scopes: [...scopes] }),
    ...(resource === 'auto' ? {} : { resource }),
    ...(pkce === 'advertised' ? {} : { pkce }),
    ...(dpop ? { dpop } : {}),
    ...(assertion === '' ? {} : { assertion }),
    ...(assertionType === null ? {} : { assertionType }),
    ...(audience === null ? {} : { audience }),
    ...(provider === null
      ? {}
      : { identityProvider: { issuer: provider.issuer, client: clientToWire(provider.client) } }),
  }
}

function clientToWire({ id, secret, key, method }: OAuthClientSettings): ClientWire {
  return {
    id,
    ...(secret === '' ? {} : { secret }),
    ...(key === '' ? {} : { key }),
    ...(method === null ? {} : { method }),
  }
}

/** The wire form that may leave the gateway. */
export function maskedOAuth(wire: OAuthWire): OAuthWire {
  const { client: known, assertion, identityProvider: provider } = wire
  return {
    ...wire,
    ...(known === undefined ? {} : { client: maskedClient(known) }),
    ...(assertion === undefined ? {} : { assertion: masked(assertion) }),
    ...(provider === undefined
      ? {}
      : { identityProvider: { ...provider, client: maskedClient(provider.client) } }),
  }
}

function maskedClient({ secret, key, ...known }: ClientWire): ClientWire {
  return {
    ...known,
    ...(secret === undefined ? {} : { secret: masked(secret) }),
    ...(key === undefined ? {} : { key: masked(key) }),
  }
}

function masked(value: string): string {
  return maskedAround([value], (texts) => texts.map(maskValue))[0] ?? secretMask
}

/**
 * What came back masked, with the values that were stored: only for the same client of the same issuer, and an
 * assertion only for those to whom it was shown, for whoever named another one would be handed the secret.
 */
export function mergedOAuth(sent: unknown, stored: OAuthSettings | undefined): unknown {
  const wire = sent as OAuthWire | null
  if (typeof wire !== 'object' || wire === null || stored === undefined) return sent
  const { client: given, identityProvider: provider, assertion } = wire
  const sameIssuer = (wire.issuer ?? null) === stored.issuer
  const sameProvider = (provider?.issuer ?? null) === (stored.identityProvider?.issuer ?? null)
  const known = sameIssuer ? stored.client : null
  const knownThere = sameProvider ? (stored.identityProvider?.client ?? null) : null
  return {
    ...wire,
    ...(given === undefined ? {} : { client: mergedClient(given, known) }),
    ...(typeof provider !== 'object' || provider === null
      ? {}
      : { identityProvider: { ...provider, client: mergedClient(provider.client, knownThere) } }),
    ...(assertion === secretMask && sameIssuer && sameProvider ? { assertion: stored.assertion } : {}),
  }
}

function mergedClient(given: ClientWire, known: OAuthClientSettings | null): ClientWire {
  if (typeof given !== 'object' || given === null || given.id !== known?.id) return given
  return {
    ...given,
    ...(given.secret === secretMask ? { secret: known.secret } : {}),
    ...(given.key === secretMask ? { key: known.key } : {}),
  }
}
