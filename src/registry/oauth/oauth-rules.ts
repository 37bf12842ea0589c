/** The rules between the fields of `oauth`, and between it and the rest of a definition. Pure. */
import { isMasked } from '../mask.ts'
import type { AddProblem } from '../problems.ts'
import { hasReference } from '../secrets/references.ts'
import type { OAuthWire } from './oauth-schema.ts'
import { isExchanged } from './oauth-settings.ts'

type ClientWire = NonNullable<OAuthWire['client']>

const maskedReason =
  'is a mask, and a stored value takes its place only while url, issuer and client.id stay the same; send the value of the secret again'

/** What of a definition `oauth` has to go with. */
export interface OAuthSurroundings {
  readonly transport: string
  readonly oauth?: OAuthWire
  readonly headers?: Readonly<Record<string, string>>
  readonly forwardHeaders?: readonly string[]
  readonly isolation?: string
}

/** Names each broken rule. */
export function oauthProblems(wire: OAuthSurroundings, add: AddProblem): void {
  const { oauth, transport } = wire
  if (oauth === undefined) return
  if (transport !== 'sse' && transport !== 'streamable-http') {
    add('oauth', `does not go with transport ${transport}; it is for servers over HTTP`)
    return
  }
  const names = Object.keys(wire.headers ?? {}).map((name) => name.toLowerCase())
  const forwarded = (wire.forwardHeaders ?? []).map((name) => name.toLowerCase())
  if (names.includes('authorization'))
    add('headers.Authorization', 'does not go with oauth, which brings the tokens; leave one of them out')
  if (forwarded.includes('authorization'))
    add('forwardHeaders', 'must not hold authorization beside oauth, which brings the tokens')
  if (oauth.account === 'user' && wire.isolation === 'shared')
    add('isolation', 'must not be shared with oauth.account: user, or one user would act as another')
  add('oauth.issuer', issuerReason(oauth.issuer))
  add('oauth.resource', resourceReason(oauth.resource ?? 'auto'))
  clientProblems(oauth, add)
  exchangeProblems(oauth, add)
  const { account, grant = 'authorization_code' } = oauth
  if (account === 'user' && grant !== 'authorization_code' && !isExchanged({ grant }))
    add(
      'oauth.grant',
      `${grant} has no user of its own; with account: user it is authorization_code, token_exchange or jwt_bearer`,
    )
}

function clientProblems({ client: given, grant, issuer }: OAuthWire, add: AddProblem): void {
  const proves = (given?.secret ?? '') !== '' || (given?.key ?? '') !== ''
  if (given !== undefined) oneClientProblems(given, 'oauth.client', add)
  if (proves && issuer === undefined)
    add('oauth.issuer', 'is needed beside a client with a secret or a key: whoever a server names gets none')
  if (grant === 'client_credentials' && !proves)
    add('oauth.client', 'needs id and secret (or key) for the grant client_credentials')
  if (grant === 'token_exchange' && given === undefined)
    add('oauth.client', 'is needed for the grant token_exchange: the client that may exchange tokens')
}

function oneClientProblems(
  { id, secret = '', key = '', method }: ClientWire,
  place: string,
  add: AddProblem,
): void {
  if (hasReference(id)) add(`${place}.id`, 'is no secret; write the id itself')
  if (isMasked(secret)) add(`${place}.secret`, maskedReason)
  if (isMasked(key)) add(`${place}.key`, maskedReason)
  if (secret !== '' && key !== '') add(place, 'takes a secret or a key, not both')
  if (method === 'private_key_jwt' && key === '') add(`${place}.key`, 'is needed for private_key_jwt')
  if (key !== '' && method !== undefined && method !== 'private_key_jwt')
    add(`${place}.method`, 'must be private_key_jwt where there is a key')
  if ((method === 'client_secret_basic' || method === 'client_secret_post') && secret === '')
    add(`${place}.secret`, `is needed for ${method}`)
}

function exchangeProblems(oauth: OAuthWire, add: AddProblem): void {
  const { account, grant = 'authorization_code', issuer, assertion = '', identityProvider: provider } = oauth
  const names = ['assertion', 'assertionType', 'audience', 'identityProvider'] as const
  if (!isExchanged({ grant })) {
    for (const name of names)
      if (oauth[name] !== undefined)
        add(
          `oauth.${name}`,
          'is for the grants token_exchange and jwt_bearer; set oauth.grant, or leave it out',
        )
    return
  }
  if (issuer === undefined)
    add(
      'oauth.issuer',
      `is needed for the grant ${grant}: whoever a server names is shown nothing that is exchanged`,
    )
  if (isMasked(assertion)) add('oauth.assertion', maskedReason)
  if (account === 'user' && assertion !== '')
    add('oauth.assertion', 'must be left out with account: user, where it is the token of each caller')
  if (account !== 'user' && assertion === '')
    add(
      'oauth.assertion',
      `is needed for the grant ${grant}, such as \${file:/run/secrets/token}; or set account to user, and it is the token of each caller`,
    )
  if (oauth.dpop === true) add('oauth.dpop', `is for logins; leave it out with the grant ${grant}`)
  if (grant === 'token_exchange' && provider !== undefined)
    add('oauth.identityProvider', 'is for the grant jwt_bearer; leave it out, or set the grant to that')
  if (grant === 'jwt_bearer' && oauth.audience !== undefined)
    add('oauth.audience', 'is for the grant token_exchange; an assertion is for issuer itself')
  if (grant === 'jwt_bearer' && provider === undefined && oauth.assertionType !== undefined)
    add(
      'oauth.assertionType',
      'is for what is exchanged; without identityProvider an assertion is given as it is',
    )
  if (provider === undefined) return
  add('oauth.identityProvider.issuer', issuerReason(provider.issuer))
  oneClientProblems(provider.client, 'oauth.identityProvider.client', add)
}

function issuerReason(issuer: string | undefined): string | null {
  if (issuer === undefined) return null
  const url = URL.parse(issuer)
  const fits = url !== null && (url.protocol === 'https:' || url.protocol === 'http:')
  if (!fits || url.search !== '' || url.hash !== '' || url.username !== '')
    return 'must be an http or https URL without query, fragment and user, as the authorization server writes it'
  return null
}

function resourceReason(resource: string): string | null {
  if (resource === 'auto' || resource === 'none') return null
  const url = URL.parse(resource)
  return url === null || resource.includes('#')
    ? 'must be auto, none, or an absolute URI without fragment'
    : null
}
