/** A key that seals stored credentials: made, read, and what of it seals. Pure but for chance. */
import { createHash, hkdfSync, randomBytes } from 'node:crypto'
import { sealKeyBytes } from '../../runtime/sealed-text.ts'

/** What seals, and by which name rows say which one it was. */
export interface SealingKey {
  readonly id: string
  /** As it is written in a key file: 32 bytes in base64. */
  readonly text: string
  readonly bytes: Uint8Array
}

const idDigits = 12

/** A new key. */
export function makeSealingKey(): SealingKey {
  return keyOf(randomBytes(sealKeyBytes))
}

/** The key in a text: 32 bytes as base64, base64url or hexadecimal digits; null for anything else. */
export function sealingKeyIn(text: string): SealingKey | null {
  if (/^[\da-f]{64}$/i.test(text)) return keyOf(Buffer.from(text, 'hex'))
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return null
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === sealKeyBytes ? keyOf(bytes) : null
}

function keyOf(secret: Uint8Array): SealingKey {
  const text = Buffer.from(secret).toString('base64')
  // What names a key must tell nothing of the bytes that seal.
  const id = createHash('sha256').update('compozy sealing key id ').update(secret).digest('hex')
  const bytes = new Uint8Array(hkdfSync('sha256', secret, '', 'compozy stored credentials', sealKeyBytes))
  return { id: id.slice(0, idDigits), text, bytes }
}
