/**
 * The OpenAPI 3.1 document of the HTTP API, made from the routes that name an operation (operations.ts).
 *
 * TypeBox schemas are JSON Schema, and OpenAPI 3.1 takes JSON Schema as it is, so this only collects. Loaded
 * when somebody asks: a gateway that is never asked has neither schemas nor document (docs/decisions/openapi.md).
 */
import { type TSchema, Type } from '@sinclair/typebox'
import { version } from '../../../package.json'
import { catalogue, type ErrorCode } from '../../errors.ts'
import { keyIdSchema } from '../../registry/access/key-schema.ts'
import { serverNamePattern } from '../../registry/server-name.ts'
import { errorAnswer } from './answers.ts'
import type { OperationId } from './operation.ts'
import { type Operation, tags } from './operation-form.ts'
import { operations } from './operations.ts'

/** A route as Elysia lists it. */
export interface ListedRoute {
  readonly method: string
  readonly path: string
  readonly hooks?: { readonly detail?: { readonly operationId?: string } }
}

export interface OpenApiDocument {
  readonly openapi: '3.1.0'
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly [member: string]: unknown
}

/** The document of all described routes. `baseUrl` is the gateway as the client sees it, without trailing slash. */
export function openApiDocument(routes: readonly ListedRoute[], baseUrl: string): OpenApiDocument {
  const paths: Record<string, Record<string, unknown>> = {}
  const schemas: Record<string, unknown> = {}
  for (const { method, path, hooks } of routes) {
    const id = hooks?.detail?.operationId
    // The routes that speak MCP are no operations.
    if (id === undefined || !isOperationId(id)) continue
    const template = path.replace(/:(\w+)/g, '{$1}')
    paths[template] ??= parametersOf(path)
    paths[template][method.toLowerCase()] = withReferences(described(id, operations[id]), schemas)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'compozy mcp-proxy',
      version,
      description:
        'Administration, health and figures of the gateway. The MCP endpoints below /mcp-proxy speak the Model Context Protocol.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: baseUrl }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas,
      securitySchemes: {
        adminToken: {
          type: 'http',
          scheme: 'bearer',
          description:
            'One of auth.admin_tokens, or a key with a role; none is needed on the machine itself when there are none.',
        },
      },
    },
  }
}

function parametersOf(path: string): Record<string, unknown> {
  const parameters = [
    ...(path.includes(':name') ? [nameParameter] : []),
    ...(path.includes(':id') ? [idParameter] : []),
    ...(path.includes(':credential') ? [credentialParameter] : []),
  ]
  return parameters.length === 0 ? {} : { parameters }
}

const credentialParameter = {
  name: 'credential',
  in: 'path',
  required: true,
  description: 'The name of a credential, as the definition of the server has it.',
  schema: { type: 'string' },
}

const idParameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The id of a key.',
  schema: { type: 'string', pattern: keyIdSchema.pattern },
}

const nameParameter = {
  name: 'name',
  in: 'path',
  required: true,
  description: 'The name of a server.',
  schema: { type: 'string', pattern: serverNamePattern },
}

/** Errors that any request may meet before its route is asked. */
const errorsOfAll: readonly ErrorCode[] = [
  'BAD_REQUEST',
  'ORIGIN_FORBIDDEN',
  'HOST_FORBIDDEN',
  'PAYLOAD_TOO_LARGE',
  'INTERNAL',
]
const errorsOfAdmin: readonly ErrorCode[] = [
  'UNAUTHENTICATED',
  'ADMIN_FORBIDDEN',
  'ADDRESS_FORBIDDEN',
  'RATE_LIMITED',
  'DRAINING',
]

const eventStreamType = 'text/event-stream'

function isOperationId(text: string): text is OperationId {
  return Object.hasOwn(operations, text)
}

/** The Operation Object of OpenAPI, its schemas still TypeBox. */
function described(id: OperationId, operation: Operation): object {
  const { tag, summary, access, body, query = {} } = operation
  const parameters = Object.entries(query).map(([name, parameter]) => ({
    name,
    in: 'query',
    required: false,
    ...parameter,
  }))
  return {
    operationId: id,
    tags: [tag],
    summary,
    // Without admin tokens the machine itself is asked for none.
    security: access === 'admin' ? [{ adminToken: [] }, {}] : [],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, description: body.description, content: contentOf(body.schema) } }),
    responses: responsesOf(operation),
  }
}

function responsesOf({ answers, access, errors = [] }: Operation): Record<string, unknown> {
  const responses: Record<string, unknown> = {}
  const codes = [...errors, ...errorsOfAll, ...(access === 'admin' ? errorsOfAdmin : [])]
  for (const [status, group] of Map.groupBy(codes, (code) => catalogue[code].status)) {
    responses[status] = {
      description: group.map((code) => `${code}: ${catalogue[code].title}.`).join(' '),
      content: contentOf(errorAnswer),
      'x-codes': group,
    }
  }
  for (const [status, { description, schema, contentType, otherContentType, events }] of Object.entries(
    answers,
  )) {
    const stream =
      events === undefined ? {} : contentOf(Type.String({ description: events }), eventStreamType)
    const other = schema && otherContentType !== undefined ? contentOf(schema, otherContentType) : {}
    responses[status] = {
      description,
      ...(schema && { content: { ...contentOf(schema, contentType), ...other, ...stream } }),
    }
  }
  return responses
}

function contentOf(schema: TSchema, contentType = 'application/json'): Record<string, { schema: TSchema }> {
  return { [contentType]: { schema } }
}

/** A copy in which each schema with an `$id` is a reference, and stands among `schemas` under that name. */
function withReferences(value: unknown, schemas: Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((item) => withReferences(item, schemas))
  if (typeof value !== 'object' || value === null) return value
  const { $id, ...members } = value as { readonly $id?: string }
  const copy = Object.fromEntries(
    Object.entries(members)
      // A text under `keys` is for the sentences of problems.ts and no word of JSON Schema.
      .filter(([name, member]) => name !== 'keys' || typeof member !== 'string')
      .map(([name, member]) => [name, withReferences(member, schemas)]),
  )
  if ($id === undefined) return copy
  schemas[$id] = copy
  return { $ref: `#/components/schemas/${$id}` }
}
