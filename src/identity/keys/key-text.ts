/** The text of a key, which is shown once: `cpz_`, its id, a secret, and a checksum by which a slip is noticed. */
import { randomBytes } from 'node:crypto'
import { digestOf, keyIdIn } from '../../access/tokens.ts'

const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const idLetters = 'abcdefghijklmnopqrstuvwxyz0123456789'
/** An id that begins so is never taken for digits of a hash, as which tokens are shown. */
const idBeginnings = 'ghijklmnopqrstuvwxyz'
const idChars = 8
/** 190 bits. */
const secretChars = 32
const checksumChars = 6

/** An id that nobody has chosen. */
export function makeKeyId(): string {
  return randomText(1, idBeginnings) + randomText(idChars - 1, idLetters)
}

/** The text of a key of this id, with a new secret. */
export function makeKeyText(id: string): string {
  const text = `cpz_${id}_${randomText(secretChars, letters)}`
  return text + checksumOf(text)
}

/** Whether a text is that of a key without a slip: what was typed or cut wrongly has another checksum. */
export function isKeyText(text: string): boolean {
  return keyIdIn(text) !== null && text.endsWith(checksumOf(text.slice(0, -checksumChars)))
}

/** What is kept of the text of a key. */
export function hashOfKey(text: string): string {
  return `sha256:${Buffer.from(digestOf(text)).toString('hex')}`
}

/** The digest in such a text. */
export function digestIn(hash: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hash.slice('sha256:'.length), 'hex'))
}

/** Each letter as likely as the others. */
function randomText(length: number, alphabet: string): string {
  let text = ''
  const fair = 256 - (256 % alphabet.length)
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < fair && text.length < length) text += alphabet[byte % alphabet.length]
    }
  }
  return text
}

/** CRC-32 with six letters. */
function checksumOf(text: string): string {
  let rest = Bun.hash.crc32(text)
  let checksum = ''
  for (let at = 0; at < checksumChars; at++) {
    checksum = `${letters[rest % letters.length]}${checksum}`
    rest = Math.floor(rest / letters.length)
  }
  return checksum
}
