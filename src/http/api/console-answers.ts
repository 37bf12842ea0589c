/** The shapes of what the console asks before it asks the admin API; see answers.ts. */
import { type Static, Type } from '@sinclair/typebox'
import { me, nullable, textOf } from './answers.ts'

/** Who has the console open, and what the page must know to begin. */
export const consoleSession = Type.Object(
  {
    asks: Type.Boolean({ description: 'Whether one has to sign in.' }),
    issuer: Type.Boolean({ description: 'Whether people can sign in at an issuer, at /me/sign-in.' }),
    me: nullable(me, 'Who is signed in; null for nobody.'),
    gateway: nullable(
      Type.Object({
        version: textOf('What runs.'),
        clientsAsked: Type.Boolean({ description: 'Whether MCP endpoints ask for a token or a key.' }),
      }),
      'Of the gateway, for who is signed in.',
    ),
  },
  { $id: 'ConsoleSession' },
)

export type ConsoleSession = Static<typeof consoleSession>
