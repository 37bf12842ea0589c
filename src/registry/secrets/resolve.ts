/** From a definition with references to one with the values that they stand for. */
import { GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../definition.ts'
import { parseDefinition } from '../definition-schema.ts'
import { definitionToStored } from '../definition-wire.ts'
import { type Problem, sentenceOf } from '../problems.ts'
import { asWritten, hasReference, placesOf, type Reference, substitute, withTexts } from './references.ts'
import { readSecretFile, SecretFault } from './secret-file.ts'

/** The value of a reference. Throws a SecretFault. */
export type ReadSecret = (reference: Reference) => string

export interface Resolved {
  /** With the values that could be had; in the other places stands what `otherwise` gives. */
  readonly definition: ServerDefinition
  /** What could not be had, by place, never with a value. */
  readonly problems: readonly Problem[]
}

/**
 * The definition with the values of its references; itself where it has none. A value that cannot stand in its place
 * (a line break in a header) is a problem too.
 */
export function resolve(
  definition: ServerDefinition,
  read: ReadSecret,
  otherwise: (place: string) => string,
): Resolved {
  const bare = asWritten(definition)
  const referring = placesOf(bare).filter(([, text]) => hasReference(text))
  if (referring.length === 0) return { definition, problems: [] }
  const problems: Problem[] = []
  const texts: Record<string, string> = {}
  for (const [place, text] of referring) {
    try {
      texts[place] = substitute(text, read)
    } catch (thrown) {
      if (!(thrown instanceof SecretFault)) throw thrown
      problems.push({ field: place, reason: thrown.message })
      texts[place] = otherwise(place)
    }
  }
  // The schema is asked before the rules between fields, so a second fault may show when the first is gone.
  for (let refused = refusedOf(bare, texts); refused.length > 0; refused = refusedOf(bare, texts)) {
    for (const { field, reason } of refused) {
      problems.push({ field, reason })
      texts[field] = otherwise(field)
    }
    if (problems.length > referring.length) break
  }
  return { definition: { ...withTexts(bare, texts), written: Object.fromEntries(referring) }, problems }
}

/** What the rules of definitions say of these texts; of all of them where it is not clear which is meant. */
function refusedOf(bare: ServerDefinition, texts: Readonly<Record<string, string>>): Problem[] {
  const parsed = parseDefinition(definitionToStored(withTexts(bare, texts)), { allowCwd: true, now: '' })
  if (parsed.ok) return []
  const known = parsed.problems.filter(({ field }) => Object.hasOwn(texts, field))
  const fields = known.length > 0 ? known : Object.keys(texts).map((field) => ({ field, reason: wrongValue }))
  return fields.map(({ field, reason }) => ({ field, reason: `${reason} (what its file holds)` }))
}

const wrongValue = 'has a value that cannot stand there'

/** Files below these directories, as definitions over the admin API may name them. */
export function readBelow(dirs: readonly string[]): ReadSecret {
  return ({ kind, target }) => {
    if (kind === 'exec') throw new SecretFault('holds ${exec:…}, which works in the configuration file only')
    return readSecretFile(target, dirs)
  }
}

/** The definition of an admin with its values. Throws DEFINITION_INVALID. */
export function resolveSent(definition: ServerDefinition, dirs: readonly string[]): ServerDefinition {
  const { definition: resolved, problems } = resolve(definition, readBelow(dirs), () => '')
  if (problems.length > 0) throw new GatewayError('DEFINITION_INVALID', sentenceOf(problems))
  return resolved
}

/**
 * A stored definition with its values. One whose secrets cannot be had does not keep the gateway from starting: it
 * says why instead of connecting (`unread`), and opens to no token that anybody could know.
 */
export function resolveStored(definition: ServerDefinition, dirs: readonly string[]): ServerDefinition {
  const { definition: resolved, problems } = resolve(
    definition,
    readBelow(dirs),
    () => `unread-${crypto.randomUUID()}`,
  )
  return problems.length === 0 ? resolved : { ...resolved, unread: sentenceOf(problems) }
}
