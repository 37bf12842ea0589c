/**
 * The client side of the suite's authorization scenarios, through the gateway: the suite's server is registered with
 * `oauth`, and an admin logs in whenever the gateway says that a login is wanted. What the gateway asks of the suite's
 * authorization server, and what it refuses to ask, is what the suite judges.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { documentedFetch } from '../support/api-document.ts'
import { poll } from '../support/gateway.ts'

interface Context {
  readonly client_id?: string
  readonly client_secret?: string
  readonly private_key_pem?: string
  readonly issuer?: string
  readonly valid_jwt?: string
  readonly idp_client_id?: string
  readonly idp_id_token?: string
  readonly idp_issuer?: string
}

interface Status {
  readonly status: string
  readonly login: { readonly state: string } | null
}

/** As many as an admin would try; the suite counts them. */
const loginsMax = 4
/** What the suite expects where metadata documents are taken. */
const documentUrl = 'https://conformance-test.local/client-metadata.json'

export async function driveAuthorization(gateway: string, mock: string, scenario: string): Promise<void> {
  const name = `mock-${crypto.randomUUID().slice(0, 8)}`
  const admin = new Admin(gateway, name)
  await admin.register(mock, await oauthFor(mock, scenario))
  try {
    let logins = 0
    // Each step may want a login first.
    const wanting = async (): Promise<boolean> => {
      await admin.settle()
      const { login } = await admin.status()
      if (login === null || login.state === 'logged_in' || logins >= loginsMax) return false
      logins++
      return await admin.logIn()
    }
    while (await wanting()) {}
    const modern = process.env['MCP_CONFORMANCE_PROTOCOL_VERSION'] === '2026-07-28'
    const client = new Client(
      { name: 'suite-client', version: '1.0.0' },
      { versionNegotiation: { mode: modern ? 'auto' : 'legacy' } },
    )
    await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway}/mcp-proxy/${name}/stream`)))
    for (const step of [
      () => client.listTools(),
      () => client.callTool({ name: 'test-tool', arguments: {} }),
    ])
      do await step().catch((reason: unknown) => console.error(String(reason)))
      while (await wanting())
    await client.close()
  } finally {
    await admin.remove()
  }
}

async function oauthFor(mock: string, scenario: string): Promise<Record<string, unknown>> {
  const context = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as Context
  const { client_id: id, client_secret: secret, private_key_pem: key } = context
  switch (scenario) {
    case 'auth/basic-cimd':
      return { client: { id: documentUrl } }
    case 'auth/pre-registration':
      return { issuer: context.issuer, client: { id, secret } }
    case 'auth/client-credentials-basic':
      return { grant: 'client_credentials', issuer: await issuerOf(mock), client: { id, secret } }
    case 'auth/client-credentials-jwt':
      return { grant: 'client_credentials', issuer: await issuerOf(mock), client: { id, key } }
    case 'auth/dpop':
    case 'auth/dpop-nonce':
      return { dpop: true }
    case 'auth/wif-jwt-bearer':
      return {
        ...{ grant: 'jwt_bearer', issuer: await issuerOf(mock), client: { id } },
        assertion: context.valid_jwt,
      }
    case 'auth/enterprise-managed-authorization':
      return {
        ...{ grant: 'jwt_bearer', issuer: await issuerOf(mock), client: { id, secret } },
        identityProvider: { issuer: context.idp_issuer, client: { id: context.idp_client_id } },
        assertion: context.idp_id_token,
      }
    default:
      return {}
  }
}

/** A client with a secret is registered at an issuer, which the suite does not name here. */
async function issuerOf(mock: string): Promise<string> {
  const { origin, pathname } = new URL(mock)
  const answer = await fetch(`${origin}/.well-known/oauth-protected-resource${pathname}`)
  const { authorization_servers: issuers } = (await answer.json()) as { authorization_servers: string[] }
  return issuers[0] ?? ''
}

class Admin {
  constructor(
    private readonly gateway: string,
    private readonly name: string,
  ) {}

  async register(url: string, oauth: object): Promise<void> {
    const body = { name: this.name, transport: 'streamable-http', url, oauth, healthCheckEnabled: false }
    const answer = await this.ask('POST', '/admin/mcps', body)
    if (answer.status !== 201) throw new Error(`registering: ${answer.status} ${await answer.text()}`)
  }

  async status(): Promise<Status> {
    const answer = await this.ask('GET', `/admin/mcps/${this.name}`)
    return ((await answer.json()) as { status: Status }).status
  }

  /** Waits until the server is connected, has failed or wants a login. */
  async settle(): Promise<void> {
    await poll(`${this.name} to settle`, async () => {
      const { status, login } = await this.status()
      return status !== 'disconnected' && status !== 'connecting' && login !== null
    })
  }

  /** The whole way, as with `servers login --paste`; false where none can begin or end. */
  async logIn(): Promise<boolean> {
    const begun = await this.ask('POST', `/admin/mcps/${this.name}/login`, { how: 'paste' })
    const { url, details } = (await begun.json()) as { url?: string; details?: string }
    if (begun.status !== 200 || url === undefined) {
      console.error(`no login: ${details}`)
      return false
    }
    const sent = await fetch(url, { redirect: 'manual' })
    const answer = sent.headers.get('location') ?? ''
    const ended = await this.ask('POST', `/admin/mcps/${this.name}/login`, { answer })
    if (ended.status !== 200) console.error(`no login: ${await ended.text()}`)
    return ended.status === 200
  }

  async remove(): Promise<void> {
    await this.ask('DELETE', `/admin/mcps/${this.name}`)
  }

  private ask(method: string, path: string, body?: object): Promise<Response> {
    return documentedFetch(`${this.gateway}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
  }
}
