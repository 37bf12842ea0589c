/**
 * What a person can do about a server that cannot be reached, by what the system or the TLS library says. Pure.
 *
 * Cases: test/upstream/transports/http/client/remedy.test.ts
 */

/** Certificates that are not taken: the request was not sent, and another try will fare no better. */
const certificateRemedies: Readonly<Record<string, string | undefined>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: trust('its certificate is signed by itself', 'that certificate'),
  SELF_SIGNED_CERT_IN_CHAIN: trust(
    'its certificate comes from an authority that is unknown here',
    "the authority's",
  ),
  UNABLE_TO_GET_ISSUER_CERT: trust(
    'its certificate comes from an authority that is unknown here',
    "the authority's",
  ),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: trust(
    'its certificate comes from an authority that is unknown here',
    "the authority's",
  ),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: trust(
    'its certificate comes from an authority that is unknown here, or the server leaves out the one in between',
    "the authority's",
  ),
  CERT_HAS_EXPIRED: 'its certificate has expired: renew it there, or set the clock of this machine',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: set the clocks of both machines',
  CERT_REVOKED: 'its certificate was revoked: give the server another one',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for another host name: write that name in url, or give the server a certificate for this one',
  HOSTNAME_MISMATCH:
    'its certificate is for another host name: write that name in url, or give the server a certificate for this one',
}

function trust(why: string, what: string): string {
  return `${why}: put ${what} (PEM) into a file and name the file in tls.ca of the server, or for all servers in NODE_EXTRA_CA_CERTS before the gateway starts`
}

/** What the system says when it could not even connect. */
const connectRemedies: Readonly<Record<string, string | undefined>> = {
  ECONNREFUSED: 'nothing listens there: start the server, or check host and port in url',
  EHOSTUNREACH: 'no way leads there: check the host in url, and network, VPN and firewall of this machine',
  ENETUNREACH: 'no way leads there: check the host in url, and network, VPN and firewall of this machine',
  EADDRNOTAVAIL: 'this machine has no free port to connect from, or no such address',
  ERR_PROXY_TUNNEL: undefined,
  UnsupportedProxyProtocol: undefined,
}

/** True for a code after which nothing was sent. */
export function meansUnsent(code: string): boolean {
  return Object.hasOwn(connectRemedies, code) || Object.hasOwn(certificateRemedies, code)
}

/** Empty where the code alone is all that is known. */
export function reachRemedy(code: string, { hostname }: URL, viaProxy: boolean): string {
  if (viaProxy && Object.hasOwn(connectRemedies, code))
    return code === 'ECONNREFUSED' ? 'start that proxy, or name the host in NO_PROXY' : ''
  const remedy = certificateRemedies[code] ?? connectRemedies[code] ?? ''
  const inContainer =
    process.env['COMPOZY_IMAGE'] !== undefined && /^(?:localhost|127\.|\[::1\])/.test(hostname)
  return code === 'ECONNREFUSED' && inContainer
    ? `${remedy}; in a container that is the container itself, and the machine around it is host.docker.internal`
    : remedy
}

/** How a response begins that is none of HTTP/1 at all. */
const noStatusLine = 'InvalidHTTPResponse, the status line cannot be read'

/**
 * What to look at when the very first request has broken off: nothing has shown yet that the URL is right. Empty
 * where the answer is HTTP, if a broken one.
 */
export function breakRemedy({ protocol }: URL, details: string): string {
  if (details.includes('InvalidHTTPResponse') && !details.includes(noStatusLine)) return ''
  // Also said of a connection that was broken into later: it is no proof that nothing was sent.
  if (details.includes('(EPROTO)'))
    return 'it does not agree on TLS: if it speaks plain HTTP at that port write http:// in url; it may also ask for a client certificate, which tls.cert and tls.key of the server name, or not take the one there'
  if (details.includes(noStatusLine))
    return 'what answers there does not speak HTTP: check the port in url, and whether it wants https://'
  return protocol === 'https:'
    ? 'it ends connections without an answer: check host and port in url'
    : 'it ends connections without an answer: if it speaks TLS write https:// in url, else check the port'
}
