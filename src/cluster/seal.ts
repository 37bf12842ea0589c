/**
 * What only members of a cluster can write and read. From each secret of `cluster.secret` a key is derived for each
 * purpose (HKDF with SHA-256), so that what was sealed for one opens nothing else. The first secret seals; all of
 * them open, so that a secret is replaced without a moment in which members do not understand each other.
 *
 * Sealed texts are AES-256-GCM under a random nonce. A purpose may hold a name, such as that of a record, which is
 * bound as well: a text moved to another place does not open.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'

/** What texts and codes are for. */
export type SealPurpose = 'member' | 'owned' | 'record' | 'session id' | 'forward' | 'client' | 'hint'

export interface Seal {
  /** Sealed text; `name` is bound as well. */
  seal(purpose: SealPurpose, name: string, text: string): string
  /** Null for what no member has sealed for this purpose and name. */
  open(purpose: SealPurpose, name: string, sealed: string): string | null
  /** Whether the first secret opens it; what another one does is to be sealed anew before that is taken away. */
  isCurrent(purpose: SealPurpose, name: string, sealed: string): boolean
  /** A code that only members can make, of 43 characters (base64url). */
  mac(purpose: SealPurpose, text: string): string
  /** By each secret; the first one is that of `mac`. */
  macs(purpose: SealPurpose, text: string): readonly string[]
  /** Whether a member has made this code. */
  verifies(purpose: SealPurpose, text: string, code: string): boolean
}

/** Bytes of a secret that is none that somebody guesses. */
export const secretBytesMin = 32

const nonceBytes = 12
const tagBytes = 16
const cipher = 'aes-256-gcm'

interface Keys {
  readonly cipher: Buffer
  readonly mac: Buffer
}

/** Of secrets, the newest first; there is at least one. */
export function createSeal(secrets: readonly string[]): Seal {
  const known = new Map<SealPurpose, readonly Keys[]>()
  const keysOf = (purpose: SealPurpose): readonly Keys[] => {
    const found = known.get(purpose)
    if (found !== undefined) return found
    const made = secrets.map((secret) => ({
      cipher: derived(secret, `compozy cluster 1: seal ${purpose}`),
      mac: derived(secret, `compozy cluster 1: mac ${purpose}`),
    }))
    known.set(purpose, made)
    return made
  }
  const first = (purpose: SealPurpose): Keys => {
    const [newest] = keysOf(purpose)
    if (newest === undefined) throw new Error('a cluster without a secret')
    return newest
  }
  const macOf = ({ mac }: Keys, text: string): string =>
    createHmac('sha256', mac).update(text).digest('base64url')
  return {
    seal(purpose, name, text) {
      const nonce = randomBytes(nonceBytes)
      const encipher = createCipheriv(cipher, first(purpose).cipher, nonce).setAAD(Buffer.from(name))
      const body = Buffer.concat([encipher.update(text, 'utf8'), encipher.final()])
      return Buffer.concat([nonce, encipher.getAuthTag(), body]).toString('base64')
    },
    open(purpose, name, sealed) {
      const bytes = Buffer.from(sealed, 'base64')
      if (bytes.length < nonceBytes + tagBytes) return null
      for (const keys of keysOf(purpose)) {
        const text = opened(keys, name, bytes)
        if (text !== null) return text
      }
      return null
    },
    isCurrent(purpose, name, sealed) {
      const bytes = Buffer.from(sealed, 'base64')
      return bytes.length >= nonceBytes + tagBytes && opened(first(purpose), name, bytes) !== null
    },
    mac: (purpose, text) => macOf(first(purpose), text),
    macs: (purpose, text) => keysOf(purpose).map((keys) => macOf(keys, text)),
    verifies(purpose, text, code) {
      const given = Buffer.from(code)
      return keysOf(purpose).some((keys) => {
        const expected = Buffer.from(macOf(keys, text))
        return expected.length === given.length && timingSafeEqual(expected, given)
      })
    },
  }
}

function derived(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, 32))
}

function opened(keys: Keys, name: string, bytes: Buffer): string | null {
  const tagAt = nonceBytes + tagBytes
  try {
    const decipher = createDecipheriv(cipher, keys.cipher, bytes.subarray(0, nonceBytes))
    decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(nonceBytes, tagAt))
    return Buffer.concat([decipher.update(bytes.subarray(tagAt)), decipher.final()]).toString('utf8')
  } catch {
    return null
  }
}
