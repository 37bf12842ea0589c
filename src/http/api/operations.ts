/**
 * The operations of the admin API, health and metrics: what each takes, what it answers, which errors are its own.
 *
 * Handlers take their types from here (operation.ts). The table itself is loaded when the document is asked for:
 * its schemas would cost every gateway a third of a MiB (docs/decisions/openapi.md).
 */
import { type TSchema, Type } from '@sinclair/typebox'
import type { ErrorCode } from '../../errors.ts'
import { definitionWireSchema } from '../../registry/definition-schema.ts'
import { prometheusContentType } from '../../telemetry/metrics-page.ts'
import * as answers from './answers.ts'
import { toolCall } from './tool-call-schema.ts'

export interface Operation {
  readonly tag: 'servers' | 'tools' | 'figures' | 'health'
  readonly summary: string
  /** Who may ask: `admin` as the access rules of the admin API say, `everyone` without credentials. */
  readonly access: 'admin' | 'everyone'
  readonly body?: { readonly description: string; readonly schema: TSchema }
  /** By status. */
  readonly answers: Readonly<Record<number, AnswerForm>>
  /** Errors of its own; those that the way in can give come on top. */
  readonly errors?: readonly ErrorCode[]
}

/** One way in which an operation ends well, or says that it does not serve. */
export interface AnswerForm {
  readonly description: string
  /** Null for an answer without a body. */
  readonly schema: TSchema | null
  /** `application/json` unless given. */
  readonly contentType?: string
}

/** A definition for PUT: the path names the server, so the body need not. */
const replacementWireSchema = Type.Object(
  { ...definitionWireSchema.properties, name: Type.Optional(definitionWireSchema.properties.name) },
  { $id: 'ServerReplacement', additionalProperties: false },
)

/** What may keep a definition from being registered. */
const errorsOfGate = [
  'DEFINITION_INVALID',
  'COMMAND_FORBIDDEN',
  'COMMAND_NOT_FOUND',
  'URL_FORBIDDEN',
] as const

/** By `operationId`, after which generated clients name their functions. */
export const operations = {
  getHealth: {
    tag: 'health',
    summary: 'Whether the process serves.',
    access: 'everyone',
    answers: {
      200: { description: 'It serves.', schema: answers.alive },
      503: { description: 'It is shutting down.', schema: answers.draining },
    },
  },
  getReadiness: {
    tag: 'health',
    summary: 'Whether every server of the configuration file has been tried.',
    access: 'everyone',
    answers: {
      200: { description: 'Each is connected or has failed for a known reason.', schema: answers.ready },
      503: {
        description: 'Some are still tried, or the gateway is shutting down.',
        schema: Type.Union([answers.starting, answers.draining]),
      },
    },
  },
  getPrometheusPage: {
    tag: 'figures',
    summary: 'The figures in the text form of Prometheus; for everyone when metrics.public is true.',
    access: 'admin',
    answers: {
      200: {
        description: 'The page.',
        schema: Type.String(),
        contentType: prometheusContentType,
      },
    },
  },
  getFigures: {
    tag: 'figures',
    summary: 'The figures as JSON.',
    access: 'admin',
    answers: { 200: { description: 'The figures.', schema: answers.figures } },
  },
  listServers: {
    tag: 'servers',
    summary: 'All servers with their definitions and states.',
    access: 'admin',
    answers: { 200: { description: 'All servers.', schema: answers.serverList } },
  },
  createServer: {
    tag: 'servers',
    summary: 'Registers a server and connects to it in the background.',
    access: 'admin',
    body: {
      description:
        'The definition. An optional field may also be null. Durations that are integers are nanoseconds.',
      schema: definitionWireSchema,
    },
    answers: { 201: { description: 'The definition is stored.', schema: answers.changeAnswer } },
    errors: [...errorsOfGate, 'DEFINITION_EXISTS', 'STORE_UNAVAILABLE'],
  },
  getServer: {
    tag: 'servers',
    summary: 'One server with its definition and state.',
    access: 'admin',
    answers: { 200: { description: 'The server.', schema: answers.serverView } },
    errors: ['SERVER_UNKNOWN'],
  },
  replaceServer: {
    tag: 'servers',
    summary: 'Replaces the definition of a server; calls in flight finish on the old one.',
    access: 'admin',
    body: {
      description: 'The whole definition, as for POST. A value that is sent back as "***" stays what it is.',
      schema: replacementWireSchema,
    },
    answers: { 200: { description: 'The definition is replaced.', schema: answers.changeAnswer } },
    errors: ['SERVER_UNKNOWN', 'DEFINITION_READ_ONLY', ...errorsOfGate, 'STORE_UNAVAILABLE'],
  },
  removeServer: {
    tag: 'servers',
    summary: 'Removes a server; calls in flight get an error, its sessions end.',
    access: 'admin',
    answers: { 204: { description: 'It is removed, and its processes are gone.', schema: null } },
    errors: ['SERVER_UNKNOWN', 'DEFINITION_READ_ONLY', 'STORE_UNAVAILABLE'],
  },
  listTools: {
    tag: 'tools',
    summary: 'Every tool of every server.',
    access: 'admin',
    answers: { 200: { description: 'The tools, and who did not list any.', schema: answers.toolList } },
  },
  callTool: {
    tag: 'tools',
    summary: 'Calls one tool.',
    access: 'admin',
    body: { description: 'Which tool, and its arguments.', schema: toolCall },
    answers: { 200: { description: 'What the tool gave, or why it failed.', schema: answers.toolResult } },
    errors: [
      'SERVER_UNKNOWN',
      'NOT_FOUND',
      'COMMAND_NOT_FOUND',
      'URL_FORBIDDEN',
      'SERVER_STARTING',
      'SERVER_UNAVAILABLE',
      'UPSTREAM_CLOSED',
      'UPSTREAM_TIMEOUT',
      'UPSTREAM_UNAUTHORIZED',
      'PROCESSES_EXHAUSTED',
      'IN_FLIGHT_EXHAUSTED',
    ],
  },
  getOpenApi: {
    tag: 'figures',
    summary: 'This document.',
    access: 'admin',
    answers: { 200: { description: 'The document.', schema: answers.openApiDocument } },
  },
} as const satisfies Readonly<Record<string, Operation>>
