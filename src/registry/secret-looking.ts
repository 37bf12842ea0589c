/**
 * Guesses whether a name announces a secret and whether a piece of text is one.
 *
 * Pure. Command lines and URLs mix secrets with things that people must be able to read, so unlike
 * `env` and `headers` they cannot be masked whole. A false alarm costs a little readability, a miss
 * leaks a credential: when in doubt the answer is yes. Cases: test/registry/secret-looking.test.ts
 */

/** Words that announce a secret wherever they stand in a name (`GITHUB_PERSONAL_ACCESS_TOKEN`). */
const secretWords =
  /(?:^|[^a-z])(?:tokens?|secrets?|passw(?:or)?ds?|passphrase|passwd|pwd|pw|pass|pat|auth|authorization|bearer|cookie|credentials?|creds?|signature|sig|sas|dsn|jwt|session|otp|pin|webhook|private|licen[cs]e)(?:$|[^a-z])/

/** Two words that announce a secret together (`api-key`, `connectionString`). */
const secretPairs =
  /(?:api|app|access|account|admin|auth|client|consumer|encryption|license|master|private|project|secret|service|session|shared|signing|storage|subscription)[^a-z]?keys?(?:$|[^a-z])|connection[^a-z]?string|(?:^|[^a-z])(?:key|apikey)$/

/** `true` when the value behind this name should not be shown: `--api-key`, `DB_PASSWORD`, `X-Auth-Token`. */
export function isSecretName(name: string): boolean {
  if (name.length > 128) return false
  // `accessToken` → `access-token`, `APIKey` → `api-key`; then one alphabet for all spellings.
  const spaced = name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1-$2')
    .toLowerCase()
  // `mytoken`, `dbpassword`: the strongest words count without a boundary before them, too.
  return (
    secretWords.test(spaced) || secretPairs.test(spaced) || /(?:token|secret|password|apikey)s?$/.test(spaced)
  )
}

/** Shorter values (`1`, `debug`) would turn every line into stars and protect nothing. */
const secretCharsMin = 6
/** The same of a value whose name announces a secret. Three characters are guessed faster than read. */
const announcedCharsMin = 4
/** What stands behind `USE_TOKEN` or `auth`, and in every second line. */
const switchWord = /^(?:true|false|none|null|auto)$/i

/** Whether a value is taken out of what a server prints; `announced` where its name or place says that it is a secret. */
export function isWorthHiding(value: string, announced: boolean): boolean {
  if (value.length >= secretCharsMin) return true
  return announced && value.length >= announcedCharsMin && !switchWord.test(value)
}

/** Prefixes under which vendors issue their credentials, so that scanners can find them. */
const issuedPrefix =
  /^(?:sk[-_]|pk_(?:live|test)_|rk_(?:live|test)_|gh[opusr]_|github_pat_|gl(?:pat|ptt|dt|rt|cbt|soat)-|xox[abeoprs]-|xapp-|AKIA|ASIA|AIza|ya29\.|npm_|pypi-|hf_|SG\.|shp(?:at|ca|pa|ss)_|do[opr]_v1_|lin_(?:api|oauth)_|ntn_|secret_|figd_|tvly-|xai-|gsk_|r8_|pplx-|BSA|fc-|apify_api_|sntry[su]_|dapi|dckr_pat_|PMAK-|rnd_|sbp_|pul-|AGE-SECRET-KEY-|key-|whsec_|EAA|ATATT|glsa_|nvapi-|csk-|vcp_|tskey-)[A-Za-z0-9_.\-/+=]{8,}$/

/** Three base64url parts, the first one beginning with `{"`. */
const jsonWebToken = /^eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{3,}/

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/** Shortest run of characters that counts as random; shorter ones are mostly names and versions. */
const randomLengthMin = 20

/**
 * `true` when one run of token characters (letters, digits, `_ - . / + =`) looks like a credential by
 * itself: a vendor's prefix, a JSON web token, a UUID (many keys are), or long and random.
 */
export function isSecretLooking(run: string): boolean {
  if (issuedPrefix.test(run) || jsonWebToken.test(run) || uuid.test(run)) return true
  if (run.length < randomLengthMin) return false
  // Base64 may contain slashes; paths hardly ever have its padding or its exact alphabet in this length.
  if (/^[A-Za-z0-9+/]{22,}={1,2}$/.test(run)) return true
  if (/^[A-Za-z0-9+/]{40}$/.test(run) && !/^[/a-z]/.test(run) && isMixed(run)) return true
  return run.split('/').some(isRandomSegment)
}

function isRandomSegment(segment: string): boolean {
  if (segment.length < randomLengthMin || isCompoundName(segment)) return false
  if (/^[0-9a-f]+$/i.test(segment)) return /\d/.test(segment) && bitsPerCharacter(segment) >= 2.5
  if (/^[A-Za-z]+$/.test(segment)) return segment.length >= 32 && bitsPerCharacter(segment) >= 4.2
  return /\d/.test(segment) && /[A-Za-z]/.test(segment) && bitsPerCharacter(segment) >= 3.2
}

/** Words, versions and dates joined by punctuation: `server-filesystem-2026.8.31`, `v2_beta`. */
function isCompoundName(segment: string): boolean {
  const words = segment.split(/[-_.+=]/)
  return words.length > 1 && words.every((word) => /^(?:[A-Za-z]{0,18}\d{0,4}|\d{1,8})$/.test(word))
}

function isMixed(text: string): boolean {
  return /[a-z]/.test(text) && /[A-Z]/.test(text) && /\d/.test(text)
}

/** Shannon entropy of the letters of one text, between 0 and 6. */
function bitsPerCharacter(text: string): number {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length)
  return bits
}

/** Why a text is most likely no token, without the text itself; null for anything that may be one. */
export function placeholderReason(text: string): string | null {
  // Of a shell, of a file that is not expanded there, of a template that nobody has filled in.
  if (/^\$[A-Za-z_]\w*$|\$\{|\{\{|^%[A-Za-z_]\w*%$/.test(text)) {
    return 'is the name of a variable and not its value; ${NAME} is replaced in configuration files only'
  }
  if (text === '***') return 'is a mask; write the token itself'
  if (/^<.*>$/.test(text)) return 'is a placeholder; write the token itself'
  if (/^["'`[]|["'`\]]$/.test(text)) return 'has a quote or bracket at its end, which would be part of it'
  return null
}
