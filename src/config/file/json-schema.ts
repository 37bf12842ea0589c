/**
 * The JSON schema of a configuration file, for editors: made from the table of settings and from the schema of a
 * definition, so that it says what the gateway reads. Loaded by `compozy config schema` alone.
 *
 * It is as strict as JSON Schema can be about names, types and bounds. A value may always be a text with a
 * `${NAME}` in it, whose kind only the environment knows.
 */
import { KindGuard, type TSchema } from '@sinclair/typebox'
import { isObject } from '../../protocol/json.ts'
import { definitionWireSchema } from '../../registry/definition-schema.ts'
import { clientOnlyKeys } from '../../registry/mcp-servers-map.ts'
import { textFields, transportNames } from '../../registry/wire-spelling.ts'
import { type NamedSetting, namedSettings } from '../shape.ts'
import { settingsRoot } from './settings-layer.ts'

/** A node of JSON Schema. */
type Json = Readonly<Record<string, unknown>>

/** Where releases put the schema, for files that are not beside the sources. */
export const schemaUrl = 'https://github.com/compozy/mcp-proxy/releases/latest/download/compozy.schema.json'

const withReference: Json = { type: 'string', pattern: '\\$\\{' }
const durationText: Json = {
  type: 'string',
  pattern: '^\\s*(\\d+(\\.\\d+)?(ms|us|µs|ns|h|m|s))+\\s*$',
}
const sizeText: Json = { type: 'string', pattern: '^\\s*\\d+(\\.\\d+)?\\s?([kKmMgG][iI]?)?[bB]?\\s*$' }

/** The schema as a value; `JSON.stringify` gives the published text. */
export function configurationSchema(): Json {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: schemaUrl,
    title: 'Configuration of compozy mcp-proxy',
    type: ['object', 'null'],
    properties: {
      $schema: { type: 'string' },
      [settingsRoot]: groupSchema(''),
      mcps: {
        type: ['array', 'null'],
        description: 'Servers and groups that are there from the start.',
        items: { $ref: '#/definitions/server' },
      },
      mcpServers: {
        type: ['object', 'null'],
        description: 'Servers in the form of desktop clients, by name.',
        additionalProperties: { $ref: '#/definitions/clientServer' },
      },
    },
    // For others: editors, anchors of YAML.
    patternProperties: { '^x-': true },
    additionalProperties: false,
    definitions: { server: serverSchema(), clientServer: clientServerSchema() },
  }
}

/** The settings below a key; the empty key has all of them. */
function groupSchema(group: string): Json {
  const prefix = group === '' ? '' : `${group}.`
  const below = namedSettings.filter(({ key }) => key.startsWith(prefix))
  const names = [...new Set(below.map(({ key }) => key.slice(prefix.length).split('.')[0] ?? ''))]
  const properties = names.map((name) => {
    const key = prefix + name
    const named = below.find((each) => each.key === key)
    return [name, named === undefined ? groupSchema(key) : settingSchema(named)]
  })
  return { type: ['object', 'null'], properties: Object.fromEntries(properties), additionalProperties: false }
}

function settingSchema({ setting }: NamedSetting): Json {
  const { kind, doc, initial, guards } = setting
  const written = writtenForms(kind.schema, kind.hint, kind.fileSchema)
  // A key without a value counts as not given, but for doors.
  const forms = [
    ...written,
    ...(kind.hint === 'json' ? [] : [withReference]),
    ...(guards ? [] : [{ type: 'null' }]),
  ]
  const shown = typeof initial === 'function' ? '' : kind.show(initial)
  return { description: doc, ...(shown === '' ? {} : { default: shown }), anyOf: forms }
}

/** What may be written for a value of this schema in memory. */
function writtenForms(schema: TSchema, hint: string, fileSchema: TSchema | undefined): Json[] {
  if (fileSchema !== undefined) return [plain(fileSchema)]
  if (KindGuard.IsInteger(schema)) {
    const { minimum, maximum } = schema
    const number = { type: 'integer', minimum, maximum }
    if (hint === 'duration') return [durationText, number]
    return hint === 'size' ? [sizeText, number] : [number, { type: 'string', pattern: '^\\s*\\d{1,16}\\s*$' }]
  }
  if (KindGuard.IsArray(schema)) {
    const entry = { type: 'string', minLength: 1 }
    return [{ type: 'array', items: entry }, entry]
  }
  if (KindGuard.IsBoolean(schema))
    return [{ type: 'boolean' }, { enum: ['true', 'false', 'yes', 'no', 'on', 'off'] }]
  return [plain(schema)]
}

/** A definition as it may be written; `mcps` takes groups too. */
function serverSchema(): Json {
  return { ...(plain(definitionWireSchema) as object), properties: definitionFields() }
}

/** The same without what a map says by itself, and with what belongs to the windows of a client. */
function clientServerSchema(): Json {
  const { name: _, transport: __, ...fields } = definitionFields()
  const kinds = { enum: [...transportNames.keys()] }
  const others = [...clientOnlyKeys].map((key) => [key, true] as const)
  return {
    type: 'object',
    properties: {
      ...Object.fromEntries(others),
      ...fields,
      type: kinds,
      transport: kinds,
      transportType: kinds,
    },
    additionalProperties: false,
  }
}

function definitionFields(): Record<string, Json> {
  const fields = Object.entries(definitionWireSchema.properties).map(([name, schema]) => {
    const { title, ...written } = plain(schema as TSchema) as { title?: string }
    const forms = [fieldForm(name, written), withReference, ...(name === 'name' ? [] : [{ type: 'null' }])]
    return [name, { ...(title === undefined ? {} : { description: title }), anyOf: forms }]
  })
  return Object.fromEntries(fields)
}

function fieldForm(name: string, written: Json): Json {
  if (name === 'transport') return { enum: [...transportNames.keys(), 'group'] }
  if (!textFields.has(name)) return written
  // What people write without quotes is taken as a text.
  const value = { type: ['string', 'number', 'boolean'] }
  if (name === 'args') return { ...written, items: value }
  const patterns = Object.keys((written['patternProperties'] as object | undefined) ?? {})
  return { ...written, patternProperties: Object.fromEntries(patterns.map((pattern) => [pattern, value])) }
}

/** The words of JSON Schema alone, without ids and notes of our own; wherever a text has a form, a reference may stand. */
function plain(schema: TSchema): Json {
  return JSON.parse(JSON.stringify(schema), (key, value) => {
    if (value === '' || (ownWords.has(key) && typeof value !== 'object')) return undefined
    return isPatterned(value) ? { anyOf: [value, withReference] } : value
  })
}

const ownWords: ReadonlySet<string> = new Set(['$id', 'keys', 'asWritten'])

function isPatterned(value: unknown): boolean {
  return isObject(value) && value['type'] === 'string' && typeof value['pattern'] === 'string'
}
