/**
 * Where the keys come from that stored credentials are sealed with. The first one seals; those behind it only open what
 * was sealed before, until that is sealed anew.
 */
import { GatewayError } from '../../errors.ts'
import { makeSealingKey, type SealingKey, sealingKeyIn } from './sealing-key.ts'

export interface SealingKeys {
  /** In words, for people: `secrets.key_file (/var/lib/…)`. */
  readonly place: string
  /** All there are now, newest first; none where nothing was ever sealed. Throws SECRETS_LOCKED. */
  read(): readonly SealingKey[]
  /** Makes the first one, or answers those that somebody else has made meanwhile. Throws SECRETS_LOCKED. */
  make(): readonly SealingKey[]
  /** Puts these in the place of those there are; null where only a person can. Throws SECRETS_LOCKED. */
  readonly replace: ((keys: readonly SealingKey[]) => void) | null
}

/** Keys of a key file, or of a variable, at most: the current one, and those of a change that was never finished. */
const keysMax = 8

/** The keys in a text, one behind the other; what is behind `#` to the end of its line is for people. */
export function keysIn(text: string, place: string): readonly SealingKey[] {
  const words = text
    .replace(/#.*$/gm, '')
    .split(/[\s,]+/)
    .filter((word) => word !== '')
  if (words.length > keysMax) throw locked(`${place} holds more than ${keysMax} keys; keep the newest`)
  return words.map((word) => {
    const key = sealingKeyIn(word)
    // The word itself may be a key that lacks a letter.
    if (key === null) throw locked(`${place} holds something that is no key: ${keyWords}`)
    return key
  })
}

/** What a key is, for people. */
export const keyWords = 'a key is 32 bytes in base64, as "openssl rand -base64 32" prints them'

/** The refusal of whatever needs a key that is not there. */
export function locked(details: string): GatewayError {
  return new GatewayError('SECRETS_LOCKED', `${details}. Nothing that is stored is lost by that.`)
}

/** Of a gateway that keeps nothing: gone with the process, as what is sealed with them. */
export function passingKeys(): SealingKeys {
  let keys: readonly SealingKey[] = []
  return {
    place: 'memory',
    read: () => keys,
    make() {
      keys = [makeSealingKey()]
      return keys
    },
    replace(others) {
      keys = others
    },
  }
}

/** The keys of `COMPOZY_SECRETS_KEY`. */
export function givenKeys(text: string): SealingKeys {
  const place = 'secrets.key (COMPOZY_SECRETS_KEY)'
  const read = () => keysIn(text, place)
  return { place, read, make: read, replace: null }
}
