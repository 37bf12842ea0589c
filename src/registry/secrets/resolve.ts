/** From a definition with references to one with the values that they stand for. */
import { GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../definition.ts'
import { parseDefinition } from '../definition-schema.ts'
import { definitionToStored } from '../definition-wire.ts'
import { type Problem, sentenceOf } from '../problems.ts'
import {
  asWritten,
  hasReference,
  placesOf,
  type Reference,
  referencesIn,
  substitute,
  withTexts,
} from './references.ts'
import { bundleBytesMax, readSecretFile, SecretFault } from './secret-file.ts'
import { tlsProblem } from './tls-files.ts'

/** The value of a reference. Throws a SecretFault. */
export type ReadSecret = (reference: Reference) => string

/** In one text: each may bring as much as a file may hold. */
const referencesMax = 16

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
  const without = new Set<string>()
  const refuse = (field: string, reason: string): void => {
    problems.push({ field, reason })
    // A certificate without its key is none: what there was before stays whole.
    const together = field.startsWith('tls.')
      ? referring.flatMap(([place]) => (place.startsWith('tls.') ? [place] : []))
      : []
    for (const place of [field, ...together]) {
      texts[place] = otherwise(place)
      without.add(place)
    }
  }
  for (const [place, text] of referring) {
    if (without.has(place)) continue
    const isBundle = place === 'tls.ca'
    try {
      if (referencesIn(text).length > referencesMax)
        throw new SecretFault(`holds more than ${referencesMax} references; put it into one file`)
      texts[place] = substitute(text, (reference) => read({ ...reference, isBundle }))
    } catch (thrown) {
      if (!(thrown instanceof SecretFault)) throw thrown
      refuse(place, thrown.message)
    }
  }
  const refused = () => refusedOf(bare, texts, without).filter(({ field }) => !without.has(field))
  // The schema is asked before the rules between fields, so a second fault may show when the first is gone.
  for (let found = refused(); found.length > 0; found = refused())
    for (const { field, reason } of found) if (!without.has(field)) refuse(field, reason)
  return { definition: { ...withTexts(bare, texts), written: Object.fromEntries(referring) }, problems }
}

/** What the rules of definitions say of these texts; of all of them where it is not clear which is meant. */
function refusedOf(
  bare: ServerDefinition,
  texts: Readonly<Record<string, string>>,
  without: ReadonlySet<string>,
): Problem[] {
  const { tls, ...definition } = withTexts(bare, texts)
  const wrong = (['ca', 'cert', 'key'] as const).flatMap((field) => {
    const reason = tls === undefined ? null : tlsProblem(tls, field)
    return reason === null || without.has(`tls.${field}`) ? [] : [{ field: `tls.${field}`, reason }]
  })
  if (wrong.length > 0) return wrong
  const parsed = parseDefinition(definitionToStored(definition), { allowCwd: true, now: '' })
  if (parsed.ok) return []
  const known = parsed.problems.filter(({ field }) => Object.hasOwn(texts, field))
  const fields = known.length > 0 ? known : Object.keys(texts).map((field) => ({ field, reason: wrongValue }))
  return fields.map(({ field, reason }) => ({ field, reason: `${reason} (what its file holds)` }))
}

const wrongValue = 'has a value that cannot stand there'

/** Files below these directories, as definitions over the admin API may name them. */
export function readBelow(dirs: readonly string[]): ReadSecret {
  return (reference) => {
    if (reference.kind === 'exec')
      throw new SecretFault('holds ${exec:…}, which works in the configuration file only')
    return readReferred(reference, dirs)
  }
}

/** The file of a reference, within its bound. Throws a SecretFault. */
export function readReferred({ target, isBundle }: Reference, dirs: readonly string[] | null): string {
  return readSecretFile(target, dirs, isBundle === true ? bundleBytesMax : undefined)
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
