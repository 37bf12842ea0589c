/** The certificate that the gateway's own port shows, read from its files. Loaded where TLS is on. */
import { createPrivateKey } from 'node:crypto'
import { resolve } from 'node:path'
import type { Config } from '../config/schema.ts'
import { ConfigError } from '../errors.ts'
import { bundleBytesMax, readSecretFile, SecretFault } from '../registry/secrets/secret-file.ts'
import { certificatesIn } from '../registry/secrets/tls-files.ts'

/** As `Bun.serve` takes it. */
export interface ListenerTls {
  readonly cert: string
  readonly key: string
  readonly ca?: string
  readonly requestCert?: boolean
  readonly rejectUnauthorized?: boolean
}

/** Throws a ConfigError of one clear line for files that are missing, unreadable, do not fit, or have expired. */
export function readListenerTls({ certFile, keyFile, clientCaFile }: Config['tls']): ListenerTls {
  if (certFile === null || keyFile === null)
    throw new ConfigError('tls.cert_file and tls.key_file go together; name both, or neither')
  const cert = read('tls.cert_file', certFile)
  const key = read('tls.key_file', keyFile)
  const own = certificatesIn(cert)?.[0]
  if (own === undefined) throw new ConfigError(`tls.cert_file: ${certFile} holds no certificate in PEM form`)
  if (!fits(key, own.checkPrivateKey.bind(own), keyFile))
    throw new ConfigError(`tls.key_file: ${keyFile} is not the key of the certificate in ${certFile}`)
  // By the clock that the dates were agreed with.
  const now = new Date()
  if (new Date(own.validTo) < now)
    throw new ConfigError(
      `tls.cert_file: the certificate in ${certFile} has expired (${own.validTo}); renew it`,
    )
  if (new Date(own.validFrom) > now)
    throw new ConfigError(
      `tls.cert_file: the certificate in ${certFile} is not valid before ${own.validFrom}; look at the clock of this machine`,
    )
  if (clientCaFile === null) return { cert, key }
  const ca = read('tls.client_ca_file', clientCaFile)
  if (certificatesIn(ca) === null)
    throw new ConfigError(`tls.client_ca_file: ${clientCaFile} holds no certificate in PEM form`)
  return { cert, key, ca, requestCert: true, rejectUnauthorized: true }
}

function read(setting: string, path: string): string {
  try {
    return readSecretFile(resolve(path), null, bundleBytesMax)
  } catch (thrown) {
    if (thrown instanceof SecretFault) throw new ConfigError(`${setting}: ${thrown.message}`)
    throw thrown
  }
}

function fits(
  key: string,
  isKeyOf: (key: ReturnType<typeof createPrivateKey>) => boolean,
  file: string,
): boolean {
  let parsed: ReturnType<typeof createPrivateKey>
  try {
    parsed = createPrivateKey(key)
  } catch {
    throw new ConfigError(
      `tls.key_file: ${file} holds no private key in PEM form, or one with a passphrase; write it without`,
    )
  }
  return isKeyOf(parsed)
}
