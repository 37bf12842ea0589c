/** A certificate that signs itself, made anew for each test: no key is ever kept in a file of the project. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export interface SelfSigned {
  /** PEM. Whoever is to trust it is told so with `NODE_EXTRA_CA_CERTS`. */
  readonly cert: string
  readonly key: string
}

export interface CertificateOptions {
  /** Default `localhost`, with its address. */
  readonly host?: string
  /** Days until it ends; of one that has ended, less than none. Default 1. */
  readonly days?: number
}

/** Valid from the day before, by the rules of X.509 (RFC 5280) that TLS clients check. */
export function selfSigned({ host = 'localhost', days = 1 }: CertificateOptions = {}): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const body = tbsCertificate(publicKey, host, days)
  const signature = sign('sha256', body, privateKey)
  const certificate = sequence(body, ecdsaWithSha256, bitString(signature))
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}

function tbsCertificate(publicKey: KeyObject, host: string, days: number): Buffer {
  const day = 86_400_000
  const name = sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(host)))))
  const address = host === 'localhost' ? [der(0x87, Buffer.from([127, 0, 0, 1]))] : []
  const subjectAltName = sequence(
    oid('2.5.29.17'),
    octets(sequence(der(0x82, Buffer.from(host)), ...address)),
  )
  const basicConstraints = sequence(oid('2.5.29.19'), octets(sequence(der(0x01, Buffer.from([0xff])))))
  return sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    sequence(utcTime(Date.now() - Math.max(day, -days * day + day)), utcTime(Date.now() + days * day)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(subjectAltName, basicConstraints)),
  )
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  // DER takes the shortest form of a length, and readers insist on it.
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function octets(content: Buffer): Buffer {
  return der(0x04, content)
}

function bitString(content: Buffer): Buffer {
  return der(0x03, Buffer.from([0]), content)
}

function utcTime(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replace(/[-:T]|\..*/g, '')
  return der(0x17, Buffer.from(`${digits.slice(2)}Z`))
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = rest.flatMap((arc) => {
    const groups = [arc & 127]
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 127) | 128)
    return groups
  })
  return der(0x06, Buffer.from([first * 40 + second, ...bytes]))
}

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))
