/** The operations about logins at servers; see operations.ts. */
import { Type } from '@sinclair/typebox'
import { nullable, textOf } from '../answers.ts'
import type { Operation } from '../operation-form.ts'
import { loginRequest } from './login-schema.ts'

const begunLogin = Type.Object(
  {
    message: textOf('What is to be done, or was done.'),
    name: textOf('The name of the server.'),
    url: nullable(Type.String(), 'Where a person goes; null once the login is there.'),
    userCode: nullable(Type.String(), 'What is typed there; null where the address says it.'),
    expiresAt: nullable(Type.String(), 'Until when, in ISO 8601.'),
  },
  { $id: 'BegunLogin' },
)

/** By `operationId`. */
export const loginOperations = {
  login: {
    tag: 'servers',
    summary: 'Begins a login of the account that all share at a server, or ends one with its answer.',
    access: 'admin',
    body: { description: 'How, or the answer.', schema: loginRequest },
    answers: { 200: { description: 'It has begun, or is there.', schema: begunLogin } },
    errors: [
      'SERVER_UNKNOWN',
      'BAD_REQUEST',
      'SIGN_IN_FAILED',
      'ISSUER_UNAVAILABLE',
      'UPSTREAM_UNAUTHORIZED',
      'UPSTREAM_ERROR',
      'SERVER_UNAVAILABLE',
      'UPSTREAM_CLOSED',
      'URL_FORBIDDEN',
      'STORE_UNAVAILABLE',
      'STORAGE_FULL',
    ],
  },
  logout: {
    tag: 'servers',
    summary: 'Takes the login at a server away that all share, here and at its authorization server.',
    access: 'admin',
    answers: { 204: { description: 'Nobody is logged in there any more.', schema: null } },
    errors: ['SERVER_UNKNOWN', 'BAD_REQUEST', 'STORE_UNAVAILABLE', 'STORAGE_FULL'],
  },
} as const satisfies Readonly<Record<string, Operation>>
