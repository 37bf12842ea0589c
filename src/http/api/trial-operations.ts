/** Trying a definition before it is registered; see operations.ts and answers.ts. */
import { type Static, Type } from '@sinclair/typebox'
import { definitionWireSchema } from '../../registry/definition-schema.ts'
import { count, nullable, serverStatus, textOf } from './answers.ts'
import type { Operation } from './operation-form.ts'

const triedTool = Type.Object(
  {
    name: textOf('Its name.'),
    description: textOf('What it is for, cut; empty where the server does not say.'),
  },
  { $id: 'TriedTool' },
)

const trial = Type.Object(
  {
    works: Type.Boolean({
      description: 'Whether it was reached and has listed its tools, where it has any.',
    }),
    message: textOf('What was found, for people.'),
    tookMs: count('How long that took.'),
    toolCount: nullable(Type.Integer(), 'Tools that it lists; null where it has listed none.'),
    tools: Type.Array(triedTool, { description: 'The first of them.' }),
    status: serverStatus,
  },
  { $id: 'Trial' },
)

export type TrialAnswer = Static<typeof trial>

/** By `operationId`. */
export const trialOperations = {
  tryServer: {
    tag: 'servers',
    summary: 'Starts a server once, says what it is and offers, and ends it again; nothing is registered.',
    access: 'admin',
    body: {
      description:
        'The definition, as for POST /admin/mcps. Of a registered server of that name values that are sent as "***" are what they are.',
      schema: definitionWireSchema,
    },
    query: {
      wait: {
        description: 'How long its start may take, 60s at most; 30s when left out.',
        schema: Type.String({ description: 'A duration such as 10s.' }),
      },
    },
    answers: { 200: { description: 'What was found, also where it does not work.', schema: trial } },
    errors: [
      'DEFINITION_INVALID',
      'COMMAND_FORBIDDEN',
      'COMMAND_NOT_FOUND',
      'URL_FORBIDDEN',
      'IN_FLIGHT_EXHAUSTED',
    ],
  },
} as const satisfies Readonly<Record<string, Operation>>
