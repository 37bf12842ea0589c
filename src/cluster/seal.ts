/**
 * What only members of a cluster can write and read. From each secret of `cluster.secret` a key is derived for each
 * purpose (HKDF with SHA-256), so that what was sealed for one opens nothing else. The first secret seals; all of
 * them open, so that a secret is replaced without a moment in which members do not understand each other.
 *
 * A purpose may hold a name, such as that of a record, which is bound as well: a text moved to another place does not
 * open. So is the name of the cluster: two that have the same secret by mistake cannot read each other.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { sealKeyBytes, sealText, unsealText } from '../runtime/sealed-text.ts'

/** What texts and codes are for. */
export type SealPurpose = 'member' | 'owned' | 'record' | 'session id' | 'forward' | 'proof' | 'client'

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

interface Keys {
  readonly cipher: Buffer
  readonly mac: Buffer
}

/** The name of a cluster that was given none. It adds nothing to keys. */
const usualName = 'default'

/** Of secrets, the newest first; there is at least one. `cluster` is the name of the cluster. */
export function createSeal(secrets: readonly string[], cluster = usualName): Seal {
  const salt = cluster === usualName ? '' : cluster
  const known = new Map<SealPurpose, readonly Keys[]>()
  const keysOf = (purpose: SealPurpose): readonly Keys[] => {
    const found = known.get(purpose)
    if (found !== undefined) return found
    const made = secrets.map((secret) => ({
      cipher: derived(secret, salt, `compozy cluster 1: seal ${purpose}`),
      mac: derived(secret, salt, `compozy cluster 1: mac ${purpose}`),
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
    seal: (purpose, name, text) => sealText(first(purpose).cipher, text, name),
    open(purpose, name, sealed) {
      for (const { cipher } of keysOf(purpose)) {
        const text = unsealText(cipher, sealed, name)
        if (text !== null) return text
      }
      return null
    },
    isCurrent: (purpose, name, sealed) => unsealText(first(purpose).cipher, sealed, name) !== null,
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

function derived(secret: string, salt: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, purpose, sealKeyBytes))
}
