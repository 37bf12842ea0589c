/**
 * Whose credentials towards servers somebody uses: a person, whoever a key is used for, or a key itself. Pure.
 *
 * Each kind has a beginning of its own, so that no name that somebody may choose is another's, or everybody's.
 */
import { personId } from '../person.ts'
import type { Principal } from '../principal.ts'

/** `oauth:` and a hash, `user:` and a name, `key:` and an id; or `sharedOwner`. */
export type CredentialOwner = string

/** Of the account that all callers of a server share. */
export const sharedOwner: CredentialOwner = 'shared'

const personText = /^oauth:[\da-f]{32}$/
const issuerAndSubject = /^(https?:\/\/\S+) (.+)$/s
/** The digest of an admin token is longer. */
const keyText = /^(?:key|admin):([a-z0-9]{8})$/

/**
 * The owner that a principal acts as; null for whoever is nobody in particular: the anonymous, and holders of a token
 * of the configuration, which many may have.
 */
export function ownerOf({ id, user }: Pick<Principal, 'id' | 'user'>): CredentialOwner | null {
  if (user !== undefined) return userOwner(user)
  if (personText.test(id)) return id
  const [, keyId] = keyText.exec(id) ?? []
  return keyId === undefined ? null : `key:${keyId}`
}

/** Of whoever a key is used for. Where that is a person in the words of rules, the key acts as that person. */
function userOwner(user: string): CredentialOwner {
  if (personText.test(user)) return user
  const [, issuer, subject] = issuerAndSubject.exec(user) ?? []
  return issuer === undefined || subject === undefined ? `user:${user}` : personId(issuer, subject)
}

/** Who is meant by a text that an admin writes; null for nobody: `key:ID`, `user:NAME`, `oauth:HASH`, or issuer and subject. */
export function ownerIn(text: string): CredentialOwner | null {
  if (/^key:[a-z0-9]{8}$/.test(text) || personText.test(text)) return text
  if (issuerAndSubject.test(text)) return userOwner(text)
  const [, user] = /^user:([^\p{Cc}]{1,512})$/u.exec(text) ?? []
  return user === undefined ? null : userOwner(user)
}
