/** The operations of the admin API, in the order of their paths in `routes/admin.ts`. */
import { definitionWireSchema, replacementWireSchema } from '../../../registry/definition-schema.ts'
import * as answers from '../../answers.ts'
import type { Operation } from '../../operation.ts'

/** What may keep a definition from being registered. */
const errorsOfGate = [
  'DEFINITION_INVALID',
  'COMMAND_FORBIDDEN',
  'COMMAND_NOT_FOUND',
  'URL_FORBIDDEN',
] as const

export const listServers = {
  id: 'listServers',
  tag: 'servers',
  summary: 'All servers with their definitions and states.',
  access: 'admin',
  answers: { 200: { description: 'All servers.', schema: answers.serverList } },
} as const satisfies Operation

export const createServer = {
  id: 'createServer',
  tag: 'servers',
  summary: 'Registers a server and connects to it in the background.',
  access: 'admin',
  body: {
    description:
      'The definition. An optional field may also be null. Durations that are integers are nanoseconds.',
    schema: definitionWireSchema,
  },
  answers: { 201: { description: 'The definition is stored.', schema: answers.changeAnswer } },
  errors: [...errorsOfGate, 'DEFINITION_EXISTS'],
} as const satisfies Operation

export const getServer = {
  id: 'getServer',
  tag: 'servers',
  summary: 'One server with its definition and state.',
  access: 'admin',
  answers: { 200: { description: 'The server.', schema: answers.serverView } },
  errors: ['SERVER_UNKNOWN'],
} as const satisfies Operation

export const replaceServer = {
  id: 'replaceServer',
  tag: 'servers',
  summary: 'Replaces the definition of a server; calls in flight finish on the old one.',
  access: 'admin',
  body: {
    description: 'The whole definition, as for POST. A value that is sent back as "***" stays what it is.',
    schema: replacementWireSchema,
  },
  answers: { 200: { description: 'The definition is replaced.', schema: answers.changeAnswer } },
  errors: ['SERVER_UNKNOWN', 'DEFINITION_READ_ONLY', ...errorsOfGate],
} as const satisfies Operation

export const removeServer = {
  id: 'removeServer',
  tag: 'servers',
  summary: 'Removes a server; calls in flight get an error, its sessions end.',
  access: 'admin',
  answers: { 204: { description: 'It is removed, and its processes are gone.', schema: null } },
  errors: ['SERVER_UNKNOWN', 'DEFINITION_READ_ONLY'],
} as const satisfies Operation

export const listTools = {
  id: 'listTools',
  tag: 'tools',
  summary: 'Every tool of every server.',
  access: 'admin',
  answers: { 200: { description: 'The tools, and who did not list any.', schema: answers.toolList } },
} as const satisfies Operation

export const callTool = {
  id: 'callTool',
  tag: 'tools',
  summary: 'Calls one tool.',
  access: 'admin',
  body: { description: 'Which tool, and its arguments.', schema: answers.toolCall },
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
} as const satisfies Operation
