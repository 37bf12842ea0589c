/** The operations of the console's own paths; see operations.ts. */
import { Type } from '@sinclair/typebox'
import { consoleSession } from './console-answers.ts'
import type { Operation } from './operation-form.ts'

const errorsOfDoor = [
  'NOT_FOUND',
  'UNAUTHENTICATED',
  'ADMIN_FORBIDDEN',
  'ADDRESS_FORBIDDEN',
  'RATE_LIMITED',
  'DRAINING',
] as const

/** By `operationId`. */
export const consoleOperations = {
  getConsoleSession: {
    tag: 'people',
    summary: 'Who has the console open, and how one signs in; 200 also for nobody.',
    access: 'everyone',
    answers: { 200: { description: 'Who that is.', schema: consoleSession } },
    errors: errorsOfDoor,
  },
  signInToConsole: {
    tag: 'people',
    summary: 'Sign in to the console with an admin token or a key with a role; the answer sets a cookie.',
    access: 'everyone',
    body: {
      description: 'The token.',
      schema: Type.Object({
        token: Type.String({ description: 'One of auth.admin_tokens, or a key with a role.' }),
      }),
    },
    answers: { 200: { description: 'Who that is.', schema: consoleSession } },
    errors: errorsOfDoor,
  },
  signOutOfConsole: {
    tag: 'people',
    summary: 'Sign out, with the cookie and the header X-CSRF-Token.',
    access: 'everyone',
    answers: { 204: { description: 'Nobody is signed in here any more.', schema: null } },
    errors: errorsOfDoor,
  },
} as const satisfies Readonly<Record<string, Operation>>
