/**
 * Which outgoing proxy carries a request, as the environment says it: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` for
 * what neither of them names, and `NO_PROXY`; lower case first. Pure.
 */

export interface OutgoingProxy {
  /** With its credentials: for the connection only. */
  readonly href: string
  /** HOST:PORT, for people. */
  readonly name: string
}

export interface OutgoingProxies {
  /** True when there is one for requests in clear text, whatever `NO_PROXY` leaves out. */
  readonly carriesClearText: boolean
  /** The one that carries requests to this URL, or null. */
  of(url: URL): OutgoingProxy | null
}

const usualPorts: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

/** Reads the variables once; what is no URL names no proxy. */
export function outgoingProxies(environment: Readonly<Record<string, string | undefined>>): OutgoingProxies {
  const named = (name: string): string => environment[name] || environment[name.toUpperCase()] || ''
  const all = named('all_proxy')
  const http = proxyAt(named('http_proxy') || all)
  const https = proxyAt(named('https_proxy') || all)
  const exempt = named('no_proxy')
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '')
  return {
    carriesClearText: http !== null,
    of(url) {
      const proxy = url.protocol === 'https:' ? https : http
      return proxy === null || exempt.some((entry) => leavesOut(entry, url)) ? null : proxy
    },
  }
}

/** Most programs take `host:port` for an http proxy. */
function proxyAt(value: string): OutgoingProxy | null {
  const url = value === '' ? null : URL.parse(value.includes('://') ? value : `http://${value}`)
  if (url === null || url.hostname === '') return null
  return { href: url.href, name: `${url.hostname}:${url.port || (usualPorts[url.protocol] ?? '1080')}` }
}

/** An entry names a host and all below it, or `*` every host; a port behind it counts. */
function leavesOut(entry: string, url: URL): boolean {
  if (entry === '*') return true
  const [, host = '', port] = /^\.?(.*?)(?::(\d+))?$/.exec(entry) ?? []
  if (port !== undefined && port !== (url.port || usualPorts[url.protocol])) return false
  return url.hostname === host || url.hostname.endsWith(`.${host}`)
}
