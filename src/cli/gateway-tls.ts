/**
 * How a command knows the gateway that it talks to over TLS. Never less than the certificate is checked: by the
 * authorities of the machine, of NODE_EXTRA_CA_CERTS and of COMPOZY_CA_FILE, and where the gateway was found through
 * its configuration, by being the very certificate that the configuration names, under whatever host name.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import type { Config } from '../config/schema.ts'
import { CommandError, systemReason } from '../errors.ts'

/** What `fetch` takes. */
export interface CommandTls {
  readonly ca?: readonly string[]
  readonly cert?: string
  readonly key?: string
  readonly checkServerIdentity?: (
    host: string,
    shown: { readonly fingerprint256?: string },
  ) => Error | undefined
}

/** For requests to a gateway at this origin; `own` where it is that of the configuration. */
export function commandTls(own: Config['tls'] | null, environment: NodeJS.ProcessEnv): CommandTls {
  const caFile = environment['COMPOZY_CA_FILE'] ?? ''
  const authority = caFile === '' ? [] : [read(caFile, 'COMPOZY_CA_FILE')]
  const client = clientPair(own, environment)
  if (own === null || own.certFile === null)
    return {
      ...(authority.length === 0 ? {} : { ca: [...rootCertificates, ...extra(environment), ...authority] }),
      ...client,
    }
  const shown = read(own.certFile, 'tls.cert_file')
  const expected = new X509Certificate(shown).fingerprint256
  return {
    ca: [...rootCertificates, ...extra(environment), ...authority, shown],
    ...client,
    checkServerIdentity: (_host, { fingerprint256 }) =>
      fingerprint256 === expected
        ? undefined
        : new Error('what answers there does not have the certificate of tls.cert_file'),
  }
}

/** What the command shows a gateway that asks; the gateway's own where nothing else is named. */
function clientPair(
  own: Config['tls'] | null,
  { COMPOZY_CERT_FILE: cert = '', COMPOZY_KEY_FILE: key = '' }: NodeJS.ProcessEnv,
): Pick<CommandTls, 'cert' | 'key'> {
  if ((cert === '') !== (key === ''))
    throw new CommandError('COMPOZY_CERT_FILE and COMPOZY_KEY_FILE go together; set both, or neither')
  if (cert !== '') return { cert: read(cert, 'COMPOZY_CERT_FILE'), key: read(key, 'COMPOZY_KEY_FILE') }
  if (own === null || own.clientCaFile === null || own.certFile === null || own.keyFile === null) return {}
  return { cert: read(own.certFile, 'tls.cert_file'), key: read(own.keyFile, 'tls.key_file') }
}

/** `ca` takes the place of what the runtime trusts, so it is named again. */
function extra({ NODE_EXTRA_CA_CERTS: file = '' }: NodeJS.ProcessEnv): string[] {
  try {
    return file === '' ? [] : [readFileSync(file, 'utf8')]
  } catch {
    return []
  }
}

function read(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    throw new CommandError(`cannot read ${path} (${name}): ${systemReason(thrown)}`)
  }
}
