/** Which files the port's certificate may be read from, and what is said of others. */
import { expect, test } from 'bun:test'
import { join, relative } from 'node:path'
import { readListenerTls } from '../../src/http/listener-tls.ts'
import { certificatesIn } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test('files that cannot be used are named in one line that says what to do', () => {
  using files = temporaryDirectory({ text: 'no certificate' })
  const { ca, issue } = certificatesIn(files.path)
  const [good, other, old] = [issue('good'), issue('other'), issue('old', { days: -1 })]
  const text = join(files.path, 'text')
  const none = join(files.path, 'none')
  const rows: [cert: string | null, key: string | null, clientCa: string | null, says: string][] = [
    [good.cert, null, null, 'tls.cert_file and tls.key_file go together; name both, or neither'],
    [null, null, ca, 'tls.cert_file and tls.key_file go together; name both, or neither'],
    [
      none,
      good.key,
      null,
      `tls.cert_file: cannot read ${none}: there is no such file; mount it, or correct the path`,
    ],
    [text, good.key, null, `tls.cert_file: ${text} holds no certificate in PEM form`],
    [
      good.cert,
      other.key,
      null,
      `tls.key_file: ${other.key} is not the key of the certificate in ${good.cert}`,
    ],
    [
      good.cert,
      text,
      null,
      `tls.key_file: ${text} holds no private key in PEM form, or one with a passphrase; write it without`,
    ],
    [good.cert, good.key, text, `tls.client_ca_file: ${text} holds no certificate in PEM form`],
    [old.cert, old.key, null, `tls.cert_file: the certificate in ${old.cert} has expired (`],
  ]
  for (const [certFile, keyFile, clientCaFile, says] of rows)
    expect(() => readListenerTls({ certFile, keyFile, clientCaFile })).toThrow(says)
  const here = relative(process.cwd(), good.cert)
  expect(readListenerTls({ certFile: here, keyFile: good.key, clientCaFile: null }).cert).toContain('BEGIN')
  expect(readListenerTls({ certFile: good.cert, keyFile: good.key, clientCaFile: ca })).toMatchObject({
    requestCert: true,
    rejectUnauthorized: true,
  })
})
