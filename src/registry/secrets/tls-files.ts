/**
 * TLS towards one server: files with the authorities that it may come from, and with what the gateway shows it. They
 * are references as any (references.ts), so that they are read, kept to bounds and followed when they change in the
 * same way; written and shown are their paths.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { UpstreamTls } from '../definition.ts'

/** As a definition in wire form says it: paths. */
export interface TlsWire {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

const fields = ['ca', 'cert', 'key'] as const

/** With a reference to each file. */
export function tlsOf(wire: TlsWire): UpstreamTls {
  const [ca = '', cert = '', key = ''] = fields.map((field) => {
    const path = wire[field] ?? ''
    return path === '' ? '' : `\${file:${path}}`
  })
  return { ca, cert, key }
}

/** The paths of what `tlsOf` has made. */
export function tlsToWire(tls: UpstreamTls): TlsWire {
  const given = fields.filter((field) => tls[field] !== '')
  return Object.fromEntries(given.map((field) => [field, tls[field].replace(/^\$\{file:(.*)\}$/s, '$1')]))
}

/** What is wrong with the contents of one file, or of key and certificate together; null for nothing. */
export function tlsProblem(tls: UpstreamTls, field: keyof UpstreamTls): string | null {
  const { ca, cert, key } = tls
  if (field === 'key') return key === '' ? null : keyProblem(cert, key)
  const text = field === 'ca' ? ca : cert
  return text === '' || certificatesIn(text) !== null ? null : 'holds no certificate in PEM form'
}

function keyProblem(cert: string, key: string): string | null {
  try {
    const parsed = createPrivateKey(key)
    const own = certificatesIn(cert)?.[0]
    return own === undefined || own.checkPrivateKey(parsed)
      ? null
      : 'is not the key of the certificate in tls.cert'
  } catch {
    return 'holds no private key in PEM form, or one with a passphrase; write it without'
  }
}

/** Null where there is none, or one that cannot be read. */
export function certificatesIn(pem: string): X509Certificate[] | null {
  const blocks = pem.match(
    /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED )?CERTIFICATE-----/g,
  )
  try {
    return blocks === null ? null : blocks.map((block) => new X509Certificate(block))
  } catch {
    return null
  }
}
