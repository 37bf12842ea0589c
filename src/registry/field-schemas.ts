/**
 * What the schema of a definition is made of. Each says in its `description` which values it takes, as the end of
 * "must be …" (problems.ts).
 */
import { type TSchema, Type } from '@sinclair/typebox'
import { serverNamePattern, serverNameWords } from './server-name.ts'

/** A text of at most so many characters. */
export const text = (lengthMax: number) =>
  Type.String({ maxLength: lengthMax, description: `a string of at most ${lengthMax} characters` })

/** A map of texts, whose keys are `keys`: an article and a noun. */
export const textMap = (entriesMax: number, keyPattern: string, keys: string, valueLengthMax: number) =>
  Type.Record(Type.String({ pattern: keyPattern }), text(valueLengthMax), {
    additionalProperties: false,
    maxProperties: entriesMax,
    description: `a map of at most ${entriesMax} strings`,
    keys,
  })

/** A list of texts. */
export const textList = (itemsMax: number, item: TSchema) =>
  Type.Unsafe<string[]>(
    Type.Array(item, { maxItems: itemsMax, description: `a list of at most ${itemsMax} strings` }),
  )

/** A duration of the wire form. */
export const duration = Type.Union([Type.String({ maxLength: 64 }), Type.Integer()], {
  description: 'a duration such as "30s", or an integer of nanoseconds',
})

/** True or false. */
export const flag = Type.Boolean({ description: 'true or false' })

/** One of a few words. */
export const oneOf = <const Names extends readonly string[]>(names: Names) =>
  Type.Unsafe<Names[number]>({
    ...Type.Union(names.map((name) => Type.Literal(name))),
    description: `one of ${names.join(', ')}`,
  })

/** A field that may be left out. The title says what it is for, the description which values it takes. */
export const optional = <S extends TSchema>(title: string, schema: S) =>
  Type.Optional<S>({ ...schema, title })

/** A server's name. */
export const serverName = Type.String({
  pattern: serverNamePattern,
  description: serverNameWords,
})
