/**
 * A text under a key, and bound to what it stands for: AES-256-GCM under a random nonce. In base64: nonce, tag, text.
 * Pure but for chance.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/** Bytes of a key. */
export const sealKeyBytes = 32

const algorithm = 'aes-256-gcm'
/** Random for each text: after 2^32 of them under one key two may meet (NIST SP 800-38D, 8.3). */
const nonceBytes = 12
const tagBytes = 16
const textAt = nonceBytes + tagBytes

/** The sealed text; only with the same key and `bound` it opens again. */
export function sealText(key: Uint8Array, text: string, bound: string): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(bound))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
}

/** What was sealed; null where the key, the text or what it was bound to is another. */
export function unsealText(key: Uint8Array, sealed: string, bound: string): string | null {
  const bytes = Buffer.from(sealed, 'base64')
  if (bytes.length < textAt) return null
  const options = { authTagLength: tagBytes }
  const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes), options)
  decipher.setAAD(Buffer.from(bound)).setAuthTag(bytes.subarray(nonceBytes, textAt))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(textAt)), decipher.final()]).toString('utf8')
  } catch {
    return null
  }
}
