/** How one text is sealed with a key, and bound to what it stands for: AES-256-GCM. Pure but for chance. */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'

/** What seals, and by which name rows say which one it was. */
export interface SealingKey {
  readonly id: string
  /** As it is written in a key file: 32 bytes in base64. */
  readonly text: string
  readonly bytes: Uint8Array
}

const algorithm = 'aes-256-gcm'
const keyBytes = 32
/** Random for each row: after 2^32 of them under one key two may meet (NIST SP 800-38D, 8.3). */
const nonceBytes = 12
const tagBytes = 16
const idDigits = 12

/** A new key. */
export function makeSealingKey(): SealingKey {
  return keyOf(randomBytes(keyBytes))
}

/** The key in a text: 32 bytes as base64, base64url or hexadecimal digits; null for anything else. */
export function sealingKeyIn(text: string): SealingKey | null {
  if (/^[\da-f]{64}$/i.test(text)) return keyOf(Buffer.from(text, 'hex'))
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return null
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === keyBytes ? keyOf(bytes) : null
}

function keyOf(secret: Uint8Array): SealingKey {
  const text = Buffer.from(secret).toString('base64')
  // What names a key must tell nothing of the bytes that seal.
  const id = createHash('sha256').update('compozy sealing key id ').update(secret).digest('hex')
  const bytes = new Uint8Array(hkdfSync('sha256', secret, '', 'compozy stored credentials', keyBytes))
  return { id: id.slice(0, idDigits), text, bytes }
}

/** The sealed text; only with the same `bound` it opens again. */
export function seal(key: SealingKey, text: string, bound: string): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv(algorithm, key.bytes, nonce)
  cipher.setAAD(Buffer.from(bound))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
}

/** What was sealed; null where the key, the text or what it was bound to is another. */
export function unseal(key: SealingKey, sealed: string, bound: string): string | null {
  const bytes = Buffer.from(sealed, 'base64')
  if (bytes.length < nonceBytes + tagBytes) return null
  const decipher = createDecipheriv(algorithm, key.bytes, bytes.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(Buffer.from(bound))
  decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
  try {
    return Buffer.concat([
      decipher.update(bytes.subarray(nonceBytes + tagBytes)),
      decipher.final(),
    ]).toString()
  } catch {
    return null
  }
}
