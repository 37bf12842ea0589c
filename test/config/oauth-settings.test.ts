/** OAuth and sign-in in the configuration: what is read, what is refused with which words, what is shown. */
import { describe, expect, test } from 'bun:test'
import { loadConfig } from '../../src/config/load.ts'
import { namedSettings } from '../../src/config/shape.ts'
import { ConfigError } from '../../src/errors.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Given {
  /** The map below `mcp_proxy`; written as JSON, which is YAML too. */
  readonly settings?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
}

async function load({ settings = {}, env = {}, files = {} }: Given) {
  const config = { 'compozy.yaml': JSON.stringify({ mcp_proxy: settings }) }
  using directory = temporaryDirectory({ ...config, ...files })
  const environment = { HOME: directory.path, ...env }
  return await loadConfig({ flags: {}, environment, directory: directory.path, terminal: false })
}

const oauth = async (given: Given) => (await load(given)).config.auth.oauth

async function fault(given: Given): Promise<string> {
  const thrown = await load(given).then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!(thrown instanceof ConfigError)) throw new Error(`expected a ConfigError, got ${thrown}`)
  return thrown.message
}

const base = { base_url: 'https://tools.example.com' }
const issuer = 'https://id.example.com/realms/mcp'

describe('issuers', () => {
  test('need no more than their name, and get the usual claims', async () => {
    expect(
      (await oauth({ settings: { ...base, auth: { oauth: { issuers: [{ issuer }] } } } })).issuers,
    ).toEqual([
      {
        issuer,
        audiences: [],
        clients: [],
        claims: { groups: 'groups', scopes: 'scope' },
        jwksUri: null,
        introspection: null,
      },
    ])
  })

  test('are spelled as settings are, and a claim that is named leaves the others', async () => {
    const given = {
      issuer,
      audiences: ['api://mcp'],
      clients: ['inspector'],
      claims: { groups: 'realm_access.roles' },
      jwks_uri: `${issuer}/certs`,
      introspection: { endpoint: `${issuer}/introspect`, client_id: 'gw', client_secret: '${INTROSPECTION}' },
    }
    const { issuers } = await oauth({
      settings: { ...base, auth: { oauth: { issuers: [given] } } },
      env: { INTROSPECTION: 'canary' },
    })
    expect(issuers).toEqual([
      {
        issuer,
        audiences: ['api://mcp'],
        clients: ['inspector'],
        claims: { groups: 'realm_access.roles', scopes: 'scope' },
        jwksUri: `${issuer}/certs`,
        introspection: { endpoint: `${issuer}/introspect`, clientId: 'gw', clientSecret: 'canary' },
      },
    ])
  })

  test('stand in a variable, or in the file that its twin names, as JSON', async () => {
    const text = JSON.stringify([{ issuer, jwks_uri: `${issuer}/certs` }])
    const settings = base
    const byVariable = await oauth({ settings, env: { MCP_PROXY_AUTH_OAUTH_ISSUERS: text } })
    const byFile = await oauth({
      settings,
      files: { 'issuers.json': text },
      env: { MCP_PROXY_AUTH_OAUTH_ISSUERS_FILE: 'issuers.json' },
    })
    expect(byVariable.issuers[0]?.jwksUri).toBe(`${issuer}/certs`)
    expect(byFile).toEqual(byVariable)
  })
})

describe('what is refused', () => {
  const rows: readonly {
    why: string
    settings: Record<string, unknown>
    env?: Record<string, string>
    says: string
  }[] = [
    {
      why: 'an audience is never made from Host',
      settings: { auth: { oauth: { issuers: [{ issuer }] } } },
      says: 'mcp_proxy.auth.oauth.issuers needs base_url: set it to the URL under which clients reach the gateway, such as https://tools.example.com',
    },
    {
      why: 'neither is the address of a callback',
      settings: { auth: { oauth: { login: { issuer, client_id: 'gw' } } } },
      says: 'mcp_proxy.auth.oauth.login needs base_url: set it to the URL under which clients reach the gateway, such as https://tools.example.com',
    },
    {
      why: 'a login without a client asks nobody',
      settings: { ...base, auth: { oauth: { login: { issuer } } } },
      says: 'mcp_proxy.auth.oauth.login has an issuer but no client_id; register the gateway there and set it',
    },
    {
      why: 'a client without an issuer is half a login',
      settings: { ...base, auth: { oauth: { login: { client_id: 'gw' } } } },
      says: 'mcp_proxy.auth.oauth.login has a client but no issuer; set auth.oauth.login.issuer',
    },
    {
      why: 'a member that is not known, with the nearest one in its outer spelling',
      settings: { ...base, auth: { oauth: { issuers: [{ issuer, jwksUri: 'x' }] } } },
      says: 'compozy.yaml: mcp_proxy.auth.oauth.issuers entry 1: jwksUri is not a known field; did you mean jwks_uri?',
    },
    {
      why: 'a list of texts is no list of issuers',
      settings: { ...base, auth: { oauth: { issuers: [issuer] } } },
      says: 'compozy.yaml: mcp_proxy.auth.oauth.issuers entry 1 must be a map with an issuer',
    },
    {
      why: 'a map is no list',
      settings: { ...base, auth: { oauth: { issuers: { issuer } } } },
      says: 'compozy.yaml: mcp_proxy.auth.oauth.issuers must be a list of at most 16 issuers',
    },
    {
      why: 'an issuer has no query',
      settings: { ...base, auth: { oauth: { issuers: [{ issuer: `${issuer}?x=1` }] } } },
      says: 'compozy.yaml: mcp_proxy.auth.oauth.issuers entry 1: issuer must be the issuer exactly as its tokens name it: an https URL without query and credentials (http is for networks that you trust)',
    },
    {
      why: 'two entries about one issuer would have one of them passed over',
      settings: { ...base, auth: { oauth: { issuers: [{ issuer }, { issuer, audiences: ['x'] }] } } },
      says: `compozy.yaml: mcp_proxy.auth.oauth.issuers has ${issuer} twice; put all about it into one entry`,
    },
    {
      why: 'a secret is never repeated',
      settings: {
        ...base,
        auth: {
          oauth: {
            issuers: [
              { issuer, introspection: { endpoint: issuer, client_id: 'x', client_secret: ['canary'] } },
            ],
          },
        },
      },
      says: 'compozy.yaml: mcp_proxy.auth.oauth.issuers entry 1: introspection.client_secret must be a text that is not empty',
    },
    {
      why: 'a variable that is no JSON',
      settings: base,
      env: { MCP_PROXY_AUTH_OAUTH_ISSUERS: issuer },
      says: 'MCP_PROXY_AUTH_OAUTH_ISSUERS must be a list of issuers, such as [{ issuer: https://id.example.com }]; a variable has it as JSON',
    },
    {
      why: 'clients that are told to ask for offline access ask in vain at many issuers',
      settings: { ...base, auth: { oauth: { scopes: ['offline_access'] } } },
      says: 'compozy.yaml: mcp_proxy.auth.oauth.scopes entry 1 ("offline_access") is for clients to ask for; the gateway never does',
    },
    {
      why: 'a scope with a quote would end the text of a challenge',
      settings: { ...base, auth: { oauth: { scopes: ['a"b'] } } },
      says: 'compozy.yaml: mcp_proxy.auth.oauth.scopes entry 1 ("a"b") is no scope',
    },
    {
      why: 'nothing named is nothing allowed, so a rule names servers',
      settings: { ...base, auth: { oauth: { access: [{ tools: ['*'] }] } } },
      says: 'compozy.yaml: mcp_proxy.auth.oauth.access entry 1: servers is required; ["*"] names all',
    },
    {
      why: 'a key that is named in the rules of people would seem to have a rule',
      settings: { ...base, auth: { oauth: { access: [{ who: { keys: ['ci'] }, servers: ['*'] }] } } },
      says: 'compozy.yaml: mcp_proxy.auth.oauth.access entry 1: who.keys has no meaning here; rules of keys stand with the keys',
    },
    {
      why: 'rules are spelled as in definitions',
      settings: { ...base, auth: { oauth: { access: [{ servers: ['*'], read_only: true }] } } },
      says: 'compozy.yaml: mcp_proxy.auth.oauth.access entry 1: read_only is not a known field; did you mean readOnly?',
    },
    {
      why: 'a role that nobody has to earn',
      settings: { ...base, auth: { oauth: { login: { admin: { claims: {} } } } } },
      says: 'compozy.yaml: mcp_proxy.auth.oauth.login.admin member claims must be a map from claims to lists of values, such as { groups: [eng] }',
    },
  ]
  for (const { why, says, ...given } of rows) {
    test(why, async () => expect(await fault(given)).toBe(says))
  }
})

describe('what is shown', () => {
  const shown = (key: string, value: unknown): unknown =>
    namedSettings.find((named) => named.key === key)?.setting.kind.shown?.(value as never)

  test('an issuer as a file would write it, without its secret', async () => {
    const given = {
      issuer,
      audiences: [],
      clients: [],
      claims: { groups: 'groups', scopes: 'scope' },
      introspection: { endpoint: issuer, client_id: 'gw', client_secret: 'canary' },
    }
    const { issuers } = await oauth({ settings: { ...base, auth: { oauth: { issuers: [given] } } } })
    const masked = { ...given, introspection: { ...given.introspection, client_secret: '***' } }
    expect(shown('auth.oauth.issuers', issuers)).toEqual([masked])
  })

  test('a rule as it was written', async () => {
    const rule = {
      who: { users: [`${issuer} alice`], claims: { groups: ['eng'] } },
      servers: ['docs', 'team-*'],
      tools: ['search_*'],
      readOnly: true,
    }
    const { access } = await oauth({ settings: { ...base, auth: { oauth: { access: [rule] } } } })
    expect(shown('auth.oauth.access', access)).toEqual([rule])
  })
})
