/**
 * Where the keys come from that stored credentials are sealed with. The first one seals; those behind it only open what
 * was sealed before, until that is sealed anew.
 */
import { GatewayError } from '../../errors.ts'
import type { KeyAgreement } from '../../registry/storage/sharers.ts'
import { makeSealingKey, type SealingKey, sealingKeyIn } from './sealing-key.ts'

export interface SealingKeys {
  /** In words, for people: `secrets.key_file (/var/lib/…)`. */
  readonly place: string
  /** All there are now, newest first; none where nothing was ever sealed. Throws SECRETS_LOCKED. */
  read(): readonly SealingKey[]
  /** Makes the first one, or answers those that somebody else has made meanwhile. Throws SECRETS_LOCKED. */
  make(): readonly SealingKey[]
  /** Before something is sealed with the first of these. Throws SECRETS_LOCKED where others could not open it. */
  checkSealing?(keys: readonly SealingKey[]): void
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
const keyWords = 'a key is 32 bytes in base64, as "openssl rand -base64 32" prints them'

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

export interface AgreedKeysParts {
  readonly agreement: KeyAgreement
  /** Whether a key may be made here, and found by the others: where they share the file that is configured. */
  readonly mayMake: boolean
  /** Whether something stored is sealed with this key. */
  isNeeded(id: string): boolean
}

/**
 * The keys of a replica, which seals with the one that all replicas have agreed on: what it stores the others must open.
 * Any other key here only opens what was sealed with it before, and waits until it stands first everywhere.
 */
export function agreedKeys(
  keys: SealingKeys,
  { agreement, mayMake, isNeeded }: AgreedKeysParts,
): SealingKeys {
  const { place, replace } = keys
  const ordered = (all: readonly SealingKey[]): readonly SealingKey[] =>
    all.toSorted((a, b) => Number(b.id === agreement.agreed) - Number(a.id === agreement.agreed))
  return {
    place,
    read: () => ordered(keys.read()),
    make() {
      if (!mayMake)
        throw locked(
          'This replica has no key for stored credentials, and one that it made the others would not have: give all replicas the same COMPOZY_SECRETS_KEY, such as from "openssl rand -base64 32"',
        )
      return ordered(keys.make())
    },
    checkSealing([first, ...others]) {
      const { agreed } = agreement
      if (first === undefined || first.id === agreed) return
      // One that nobody has any more, and nothing needs, is none.
      const isLost = agreed !== null && !isNeeded(agreed) && !agreement.isHeldElsewhere(agreed)
      if (agreed === null || isLost) {
        agreement.propose(first.id)
        return
      }
      const here = [first, ...others].map(({ id }) => id).join(', ')
      throw locked(
        `The replicas seal stored credentials with the key ${agreed}, and ${place} of this one holds ${here}; give it the same, and restart it`,
      )
    },
    replace:
      replace &&
      ((next) => {
        // None is taken away: what is sealed anew has to be with the others before.
        if (keys.read().every(({ id }) => next.some((one) => one.id === id))) replace(next)
      }),
  }
}
