/** Requests that mean to confuse whoever reads them; what each must be answered with, and why. */
import fc from 'fast-check'
import { rawRequest } from './front.ts'

/** A token that the gateway of these requests takes for its MCP endpoints, and an `Authorization` line with it. */
export const clientToken = 'g1'
export const client = `Authorization: Bearer ${clientToken}`

/** What only admin handlers say. */
export const adminWords = /"mcps":|"count":|"tools":|compozy_mcp_requests_total|"uptimeSeconds"/

/** Request lines with more than one reading, asked with a client token. */
export const ambiguousLines = [
  { line: 'GET /admin/mcps', status: 403, why: 'the plain path, with a client token' },
  { line: 'GET //admin/mcps', status: 400, why: 'a doubled slash' },
  { line: 'GET /admin//mcps', status: 400, why: 'a doubled slash inside' },
  { line: 'GET /%61dmin/mcps', status: 400, why: 'an encoded letter' },
  { line: 'GET /%2561dmin/mcps', status: 400, why: 'encoded twice' },
  { line: 'GET /admin%2fmcps', status: 400, why: 'an encoded slash' },
  { line: 'GET /admin%5cmcps', status: 400, why: 'an encoded backslash' },
  { line: 'GET /admin\\mcps', status: 403, why: 'a backslash is a slash' },
  { line: 'GET /mcp-proxy/..%2fadmin/mcps', status: 400, why: 'an encoded climb' },
  { line: 'GET /mcp-proxy/%2e%2e/admin/mcps', status: 403, why: 'an encoded climb that Bun resolves' },
  { line: 'GET /mcp-proxy/../admin/mcps', status: 403, why: 'a climb that Bun resolves' },
  { line: 'GET /mcp-proxy/files/stream/../../../admin/mcps', status: 403, why: 'a long climb' },
  { line: 'GET /mcp-proxy/files%2fstream', status: 400, why: 'an encoded slash in a name' },
  {
    line: 'GET /mcp-proxy/files/stream/%2e%2e%2f%2e%2e%2f%2e%2e%2fadmin/mcps',
    status: 400,
    why: 'encoded below a wildcard',
  },
  { line: 'GET /ADMIN/mcps', status: 404, why: 'another case' },
  { line: 'GET /admin./mcps', status: 404, why: 'a trailing dot' },
  { line: 'GET /admin;/mcps', status: 404, why: 'a path parameter' },
  { line: 'GET /admin%20/mcps', status: 404, why: 'an encoded space' },
  { line: 'GET /admin%00/mcps', status: 400, why: 'an encoded NUL' },
  { line: 'GET /admin%zz/mcps', status: 400, why: 'no encoding at all' },
  { line: 'GET /admin/mcps#x', status: 400, why: 'a fragment' },
  { line: 'GET /healthz#/admin/mcps', status: 400, why: 'a fragment behind an open path' },
  { line: 'GET /healthz?/admin/mcps', status: 200, why: 'a query is no path' },
  { line: 'GET /healthz/../admin/mcps', status: 403, why: 'a climb out of an open path' },
  { line: 'GET /.well-known/../admin/mcps', status: 403, why: 'a climb out of discovery' },
  { line: 'GET /admin/mcps/.well-known/x', status: 404, why: 'discovery below admin' },
  { line: 'GET http://localhost/admin/mcps', status: 403, why: 'the absolute form' },
  { line: 'GET http://evil.example/admin/mcps', status: 403, why: 'the absolute form of another host' },
  { line: 'GET http://localhost//admin/mcps', status: 400, why: 'the absolute form with a doubled slash' },
  { line: 'GET https://localhost/admin/mcps', status: 403, why: 'the absolute form with TLS' },
  { line: 'GET ftp://localhost/admin/mcps', status: 400, why: 'another scheme' },
  { line: 'GET admin/mcps', status: 400, why: 'no slash in front' },
  { line: 'GET ?/admin/mcps', status: 400, why: 'only a query' },
  { line: 'OPTIONS *', status: 400, why: 'the asterisk form' },
  { line: 'CONNECT localhost:80', status: 400, why: 'the authority form' },
]

/** Hosts that are none. */
export const malformedHosts = [
  { host: '', why: 'empty' },
  { host: 'a b', why: 'with a space' },
  { host: 'x/admin', why: 'with a path' },
  { host: 'x?', why: 'with a query' },
  { host: 'x#', why: 'with a fragment' },
  { host: 'u@x', why: 'with user info' },
  { host: 'x\\y', why: 'with a backslash' },
  { host: '[::', why: 'with an open bracket' },
  { host: 'x:port', why: 'with a port by name' },
  { host: 'xxxxxxxxxxxxxxxxxxxxxxxx yyyyyyyyyyyyy', why: 'long and malformed' },
]

/** Header lines that give a message more than one end. */
export const doubtfulFrames = [
  { headers: ['Content-Length: 3', 'Transfer-Encoding: chunked'], why: 'both lengths' },
  { headers: ['Transfer-Encoding: chunked', 'Content-Length: 3'], why: 'both, the other way round' },
  { headers: ['Content-Length: 3', 'Content-Length: 30'], why: 'two lengths' },
  { headers: ['Content-Length: 3', 'Content-Length: 3'], why: 'the same length twice' },
  { headers: ['Content-Length: 3, 3'], why: 'a list of lengths' },
  { headers: ['Content-Length: +3'], why: 'a signed length' },
  { headers: ['Content-Length: 0x3'], why: 'a hexadecimal length' },
  { headers: ['Content-Length: -3'], why: 'a negative length' },
  { headers: ['Transfer-Encoding: xchunked'], why: 'an unknown coding' },
  { headers: ['Transfer-Encoding: gzip, chunked'], why: 'two codings' },
  { headers: ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], why: 'chunked twice' },
  { headers: ['Content-Length : 3'], why: 'a space before the colon' },
  { headers: ['X-A: b', ' folded'], why: 'a folded header' },
  { headers: ['X-A: a\0b'], why: 'a NUL in a header' },
]

/** Pieces of which attacks on routers are made. */
const piece = fc.constantFrom(
  '/',
  '//',
  '/./',
  '/../',
  '\\',
  '%2f',
  '%2F',
  '%5c',
  '%2e%2e',
  '%2e',
  '..;',
  ';',
  '?',
  '#',
  '%00',
  '%09',
  '%0a',
  '%',
  '%25',
  '%2561',
  'admin',
  'ADMIN',
  '%61dmin',
  'mcps',
  'tools',
  'metrics',
  'mcp-proxy',
  'files',
  'stream',
  'sse',
  'message',
  'healthz',
  '.well-known',
  'http://',
  'https://',
  'localhost',
  'x:80',
  '@',
  ':',
  '*',
  '\t',
  'é',
  'a'.repeat(20),
)
export const target = fc.oneof(
  fc.array(piece, { minLength: 1, maxLength: 8 }).map((parts) => `/${parts.join('')}`),
  fc.array(piece, { minLength: 1, maxLength: 8 }).map((parts) => parts.join('')),
  fc.array(piece, { maxLength: 4 }).map((parts) => `/${parts.join('')}/admin/mcps`),
)
const host = fc.oneof(
  { weight: 4, arbitrary: fc.constant('localhost') },
  fc
    .array(fc.oneof(piece, fc.constant(' '), fc.constant('[')), { maxLength: 3 })
    .map((parts) => parts.join('')),
)
const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS')

/** Raw requests made of these pieces, about half of them with a client token; the same ones for the same seed. */
export function fuzzedRequests(count: number, seed: number): string[] {
  return fc
    .sample(fc.tuple(method, target, host, fc.boolean()), { numRuns: count, seed })
    .map(([verb, path, name, known]) =>
      rawRequest(`${verb} ${path}`, [`Host: ${name}`, 'Connection: close', ...(known ? [client] : [])]),
    )
}
