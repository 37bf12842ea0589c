/** Starts nginx or Caddy with the shipped configuration, and a client that sees it under its public name. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { poll } from '../support/gateway.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'
import { programPath, readText, replaceOnce } from './repository.ts'

/** The name in the shipped files. Nobody resolves it: the client here connects to loopback. */
export const publicName = 'gateway.example.com'
export const publicBase = `https://${publicName}/tools/mcp`

export interface ReverseProxyOptions {
  /** Where it keeps everything. */
  readonly directory: string
  readonly gatewayUrl: string
  /** Replaces the shipped time-out for silence, where there is one. */
  readonly silenceSeconds?: number
}

export interface ReverseProxy extends AsyncDisposable {
  /** `fetch` for URLs under the public name. */
  readonly fetch: (url: string | URL, init?: RequestInit) => Promise<Response>
  /** The status of a GET that comes from another address of this machine. */
  getFrom(localAddress: string, path: string, headers: Record<string, string>): Promise<number>
  /** What it wrote to its access log; empty when it keeps none. */
  accessLog(): string
}

interface Kind {
  readonly program: string
  readonly snippet: string
  /** Writes its configuration and returns its command line. */
  prepare(snippet: string, place: Place): readonly string[]
}

interface Place extends ReverseProxyOptions {
  readonly port: number
  readonly certificate: string
  readonly key: string
}

const nginx: Kind = {
  program: 'nginx',
  snippet: 'deploy/nginx/compozy-mcp-proxy.conf',
  prepare(snippet, place) {
    const { directory, port } = place
    let text = replaceOnce(snippet, 'listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
    text = replaceOnce(text, 'server 127.0.0.1:6001;', `server ${new URL(place.gatewayUrl).host};`)
    text = replaceOnce(text, '/etc/ssl/compozy/fullchain.pem', place.certificate)
    text = replaceOnce(text, '/etc/ssl/compozy/privkey.pem', place.key)
    text = replaceOnce(text, '/var/log/nginx/compozy.log', join(directory, 'access.log'))
    if (place.silenceSeconds !== undefined) {
      text = replaceOnce(text, 'proxy_read_timeout 60s', `proxy_read_timeout ${place.silenceSeconds}s`)
    }
    writeFileSync(join(directory, 'snippet.conf'), text)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${join(directory, name)};`,
    )
    const user = process.getuid?.() === 0 ? 'user root;' : ''
    writeFileSync(
      join(directory, 'nginx.conf'),
      `daemon off; ${user} worker_processes 1; pid ${directory}/nginx.pid; error_log stderr warn;
       events { worker_connections 256; }
       http { ${temporary.join(' ')} include ${directory}/snippet.conf; }`,
    )
    return ['-e', 'stderr', '-p', directory, '-c', join(directory, 'nginx.conf')]
  },
}

const caddy: Kind = {
  program: 'caddy',
  snippet: 'deploy/caddy/Caddyfile',
  prepare(snippet, place) {
    const { directory, port } = place
    let text = replaceOnce(
      snippet,
      `${publicName} {`,
      `{\n admin off\n auto_https off\n}\nhttps://${publicName}:${port} {\n bind 127.0.0.1\n tls ${place.certificate} ${place.key}`,
    )
    text = text.replaceAll('reverse_proxy 127.0.0.1:6001', `reverse_proxy ${new URL(place.gatewayUrl).host}`)
    writeFileSync(join(directory, 'Caddyfile'), text)
    return ['run', '--config', join(directory, 'Caddyfile'), '--adapter', 'caddyfile']
  },
}

/** Those that are installed here. */
export const reverseProxies = [nginx, caddy].flatMap((kind) => {
  const path = programPath(kind.program)
  return path === null ? [] : [{ name: kind.program, snippet: kind.snippet, start: starter(kind, path) }]
})

function starter(kind: Kind, path: string) {
  return async (options: ReverseProxyOptions): Promise<ReverseProxy> => {
    mkdirSync(options.directory, { recursive: true })
    const place = { ...options, port: await freePort(), ...makeCertificate(options.directory) }
    const running = startProcess({
      command: [path, ...kind.prepare(readText(kind.snippet), place)],
      cwd: options.directory,
      env: { HOME: options.directory },
    })
    const proxy = handleOf(running, place)
    await poll(`${kind.program} to listen`, async () => {
      const answer = await proxy.fetch(`${publicBase}/healthz`).catch(() => null)
      if (answer === null && (await ended(running))) throw new Error(running.lines().join('\n'))
      await answer?.arrayBuffer()
      return answer !== null
    })
    return proxy
  }
}

function handleOf(running: RunningProcess, { port, certificate, directory }: Place): ReverseProxy {
  const ca = readFileSync(certificate, 'utf8')
  return {
    fetch: (publicUrl, init = {}) => {
      const url = new URL(publicUrl)
      if (url.host !== publicName) throw new Error(`the client was sent to ${url.host}`)
      url.hostname = '127.0.0.1'
      url.port = String(port)
      const headers = new Headers(init.headers)
      headers.set('host', publicName)
      return fetch(url, {
        ...init,
        headers,
        tls: { ca, serverName: publicName, checkServerIdentity: () => undefined },
      })
    },
    getFrom: (localAddress, path, headers) =>
      new Promise((resolve, reject) => {
        const outgoing = request(
          {
            host: '127.0.0.1',
            port,
            localAddress,
            path,
            servername: publicName,
            ca,
            headers: { host: publicName, ...headers },
          },
          (response) => {
            response.resume()
            resolve(response.statusCode ?? 0)
          },
        )
        outgoing.on('error', reject)
        outgoing.end()
      }),
    accessLog: () => {
      try {
        return readFileSync(join(directory, 'access.log'), 'utf8')
      } catch {
        return ''
      }
    },
    // Asked politely, Caddy would wait for event streams to end.
    [Symbol.asyncDispose]: () => running.kill(),
  }
}

function makeCertificate(directory: string): { certificate: string; key: string } {
  const certificate = join(directory, 'certificate.pem')
  const key = join(directory, 'key.pem')
  const { exitCode, stderr } = Bun.spawnSync([
    ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-days', '1', '-subj', `/CN=${publicName}`, '-addext', `subjectAltName=DNS:${publicName}`],
    ...['-keyout', key, '-out', certificate],
  ])
  if (exitCode !== 0) throw new Error(stderr.toString())
  return { certificate, key }
}

async function ended(running: RunningProcess): Promise<boolean> {
  return (await Promise.race([running.exited, Bun.sleep(1)])) !== undefined
}

/** Neither takes port 0: one that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
