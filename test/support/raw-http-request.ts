/** One HTTP request with exactly these header lines, doubled, empty or malformed, which no HTTP library would send. */
import { connect } from 'node:net'

export interface RawReply {
  readonly status: number
  readonly body: string
}

/**
 * Sends it over a connection of its own. `Host`, `Content-Length` and `Connection` are added. The second half of the
 * body goes when `halfway` has resolved.
 */
export function rawPost(
  url: URL,
  headerLines: readonly string[],
  body: string,
  halfway: (() => Promise<unknown>) | null = null,
): Promise<RawReply> {
  const head = [
    `POST ${url.pathname} HTTP/1.1`,
    `Host: ${url.host}`,
    ...headerLines,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    // Header values are bytes; Latin-1 keeps each character one.
    const socket = connect(Number(url.port), url.hostname, () => {
      socket.write(Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'))
      const half = halfway === null ? body.length : body.length >> 1
      socket.write(body.slice(0, half))
      void halfway?.().then(() => socket.write(body.slice(half)), reject)
    })
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => {
      const text = Buffer.concat(chunks).toString('utf8')
      const [, status = '0'] = /^HTTP\/1\.1 (\d{3})/.exec(text) ?? []
      resolve({ status: Number(status), body: text.slice(text.indexOf('\r\n\r\n') + 4) })
    })
  })
}
