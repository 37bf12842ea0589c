/** An authority of its own and what it signs, made by openssl in a folder of the test. */
import { join } from 'node:path'

export interface Certificates {
  /** Path of the authority's certificate. */
  readonly ca: string
  /** Paths of a certificate for localhost in this name, and of its key. */
  issue(name: string, options?: { readonly days?: number }): { readonly cert: string; readonly key: string }
}

/** `openssl` with these arguments; throws with what it says. */
export function openssl(directory: string, ...args: readonly string[]): string {
  const { stdout, stderr, success } = Bun.spawnSync(['openssl', ...args], { cwd: directory })
  if (!success) throw new Error(`openssl ${args.join(' ')}: ${stderr}`)
  return stdout.toString()
}

const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** Makes the authority `name` in that folder. */
export function certificatesIn(directory: string, name = 'authority'): Certificates {
  const file = (stem: string, end: string) => join(directory, `${stem}.${end}`)
  openssl(
    directory,
    'req',
    '-x509',
    ...key,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    file(name, 'key'),
    '-out',
    file(name, 'pem'),
  )
  return {
    ca: file(name, 'pem'),
    issue(subject, { days = 1 } = {}) {
      openssl(
        directory,
        'req',
        ...key,
        '-subj',
        `/CN=${subject}`,
        '-addext',
        'subjectAltName=DNS:localhost,IP:127.0.0.1',
        '-keyout',
        file(subject, 'key'),
        '-out',
        file(subject, 'csr'),
      )
      openssl(
        directory,
        'x509',
        '-req',
        '-in',
        file(subject, 'csr'),
        '-CA',
        file(name, 'pem'),
        '-CAkey',
        file(name, 'key'),
        '-CAcreateserial',
        '-copy_extensions',
        'copy',
        '-days',
        String(days),
        '-out',
        file(subject, 'pem'),
      )
      return { cert: file(subject, 'pem'), key: file(subject, 'key') }
    },
  }
}
