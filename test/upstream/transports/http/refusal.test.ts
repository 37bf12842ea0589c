/** What a person is told to do about a server that refuses the first message. */
import { describe, expect, test } from 'bun:test'
import {
  credentialHeaders,
  credentialsRemedy,
  type HttpTransport,
  type Refusal,
  redirection,
  refusalRemedy,
} from '../../../../src/upstream/transports/http/refusal.ts'

function refusal(
  status: number,
  url = 'http://one.example/mcp',
  mediaType = '',
  headers: Record<string, string> = {},
): Refusal {
  return { status, url: new URL(url), mediaType, header: (name) => headers[name] ?? null }
}

const asIs = (text: string): string => text
const older = 'a server of the older HTTP+SSE transport needs transport: sse'
const newer = 'a server of the newer transport needs transport: streamable-http'

describe('the remedy', () => {
  test.each<{
    why: string
    status: number
    url?: string
    type?: string
    over?: HttpTransport
    body?: string
    told: string
  }>([
    { why: 'of a path that is none', status: 404, told: `check the path in url, mostly /mcp; ${older}` },
    {
      why: 'of a URL without a path',
      status: 404,
      url: 'http://one.example/',
      told: `url has no path, and servers mostly listen at /mcp; ${older}`,
    },
    {
      why: 'of a path that only the other transport has',
      status: 405,
      url: 'http://one.example/sse/',
      told: 'the path in url is the usual one of the other transport: set transport: sse',
    },
    {
      why: 'of the same the other way round',
      status: 404,
      url: 'http://one.example/x/mcp',
      over: 'sse',
      told: 'the path in url is the usual one of the other transport: set transport: streamable-http',
    },
    {
      why: 'of a path that has no event stream',
      status: 404,
      url: 'http://one.example/events',
      over: 'sse',
      told: `check the path in url, mostly /sse; ${newer}`,
    },
    {
      why: 'of a web page',
      status: 200,
      type: 'text/html',
      url: 'http://one.example/',
      told: `that is a web page: url has no path, and servers mostly listen at /mcp; ${older}`,
    },
    {
      why: 'of 406, which no endpoint answers to what MCP clients accept',
      status: 406,
      told: `no MCP endpoint answers so: check the path in url, mostly /mcp; ${older}`,
    },
    {
      why: 'of 415 likewise',
      status: 415,
      told: `no MCP endpoint answers so: check the path in url, mostly /mcp; ${older}`,
    },
    {
      why: 'of TLS that was due, in the words of nginx',
      status: 400,
      body: '<center>The plain HTTP request was sent to HTTPS port</center>',
      told: 'it speaks TLS at that port: write https:// in url',
    },
    {
      why: 'in the words of Go',
      status: 400,
      body: 'Client sent an HTTP request to an HTTPS server.\n',
      told: 'it speaks TLS at that port: write https:// in url',
    },
    {
      why: 'in the words of Apache',
      status: 400,
      body: "Reason: You're speaking plain HTTP to an SSL-enabled server port.",
      told: 'it speaks TLS at that port: write https:// in url',
    },
    {
      why: 'of a name that the server does not answer to',
      status: 421,
      told: 'it does not answer to the name one.example: add that to the host names that it allows, or write another one in url',
    },
    {
      why: 'of a proxy without a server behind it',
      status: 502,
      told: 'what stands in front of the server cannot reach it: start the server, and look into the log of both',
    },
    { why: 'of a fault', status: 500, told: 'the server failed at it: look into its log' },
    { why: 'of a redirect, which says all by itself', status: 302, told: '' },
  ])('$why', ({ status, url, type, over = 'streamable-http', body = null, told }) => {
    expect(refusalRemedy(refusal(status, url, type), over, body)).toBe(told)
  })
})

describe('of credentials', () => {
  const refused = (status: number, challenge?: string): Refusal =>
    refusal(status, undefined, '', challenge === undefined ? {} : { 'www-authenticate': challenge })
  test.each<{ why: string; status?: number; challenge?: string; sent?: string[]; told: string }>([
    {
      why: 'that nobody sends, a token is asked for',
      challenge: 'Bearer realm="x", error="invalid_token"',
      told: 'no credentials are sent: put Authorization: Bearer TOKEN into headers of this server',
    },
    {
      why: 'that nobody sends, a sign-in is offered',
      challenge: 'Bearer resource_metadata="https://one.example/.well-known/oauth-protected-resource"',
      told: 'no credentials are sent: put Authorization: Bearer TOKEN into headers of this server, or set its oauth to {} and log in, which it offers',
    },
    {
      why: 'that nobody sends, a password is asked for',
      challenge: 'Basic realm="x"',
      told: 'no credentials are sent: put Authorization: Basic BASE64(USER:PASSWORD) into headers of this server',
    },
    {
      why: 'that nobody sends, something else is asked for',
      challenge: 'Negotiate',
      told: 'no credentials are sent: put Authorization: Negotiate … into headers of this server',
    },
    {
      why: 'that nobody sends, nothing is said',
      told: 'no credentials are sent: put the header that it wants into headers of this server, such as Authorization: Bearer TOKEN',
    },
    {
      why: 'that may not be what is missing',
      status: 403,
      told: 'no credentials are sent: put them into headers of this server if it wants some, or let it accept this gateway',
    },
    {
      why: 'that are sent, their header is named',
      challenge: 'Bearer',
      sent: ['Authorization'],
      told: 'check the credentials that are sent (Authorization): they are wrong, have expired, or allow too little',
    },
    {
      why: 'that are sent and do not reach far enough, the scope is named',
      status: 403,
      challenge: 'Bearer error="insufficient_scope", scope="files:read"',
      sent: ['Authorization'],
      told: 'the credentials in the headers of this server lack the scope files:read',
    },
  ])('$why', ({ status = 401, challenge, sent = [], told }) => {
    expect(credentialsRemedy(refused(status, challenge), sent, asIs)).toBe(told)
  })

  test('only the names are told, of headers that look like some', () => {
    const headers = {
      Accept: 'x',
      'X-Api-Key': 'secret-1',
      authorization: 'secret-2',
      Cookie: 'a',
      Auth: 'b',
    }
    expect(credentialHeaders(headers, 'http://ada:secret-3@one.example/')).toEqual([
      'X-Api-Key',
      'authorization',
      'Cookie',
      'user and password in url',
    ])
    expect(credentialHeaders({ 'User-Agent': 'x' }, 'http://one.example/')).toEqual([])
  })
})

test.each([
  { location: '/mcp/', told: ', a redirect to the same URL with a slash at its end,' },
  { location: '/login?next=secret', told: ', a redirect to another path,' },
  { location: 'https://one.example/mcp', told: ', a redirect to https://one.example,' },
  { location: 'https://other.example/a?b=secret', told: ', a redirect to https://other.example,' },
  { location: 'https://', told: ', a redirect to nowhere' },
])('a redirect to $location is told by its origin alone', ({ location, told }) => {
  const said = redirection(refusal(302, undefined, '', { location }), asIs)
  expect(said).toStartWith(told)
  expect(said).not.toContain('secret')
})
