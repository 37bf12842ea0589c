/** Logins at servers: what an admin asks for, and how one stands. Apart from the answers: handlers check bodies by it. */
import { Type } from '@sinclair/typebox'

/** Either how a login is to begin, or what ends one. */
export const loginRequest = Type.Object(
  {
    how: Type.Optional(
      Type.Union([Type.Literal('browser'), Type.Literal('paste'), Type.Literal('device')], {
        description:
          'browser: by a link that counts once. paste: by an address whose answer is brought back as `answer`. device: at another device. Default browser.',
      }),
    ),
    answer: Type.Optional(
      Type.String({
        maxLength: 8_192,
        description: 'The address to which the browser was sent back, of a login that was begun with paste.',
      }),
    ),
  },
  { additionalProperties: false },
)

const textOrNull = (description: string) => Type.Union([Type.String(), Type.Null()], { description })

/** How the login at a server stands. */
export const loginView = Type.Object(
  {
    account: Type.Union([Type.Literal('shared'), Type.Literal('user')], {
      description: 'Whose accounts there are: one for all, or one of each user.',
    }),
    state: Type.Union(
      [Type.Literal('logged_in'), Type.Literal('needs_login'), Type.Literal('needs_consent')],
      { description: 'needs_consent: calls have lacked scopes that a new login would bring.' },
    ),
    url: textOrNull('Where a person logs in; null where nobody has to.'),
    issuer: textOrNull('The authorization server.'),
    scopes: Type.Array(Type.String(), { description: 'Those that were asked for.' }),
    since: textOrNull('When the token came, in ISO 8601.'),
    expiresAt: textOrNull('When the token ends, in ISO 8601; it is renewed before.'),
  },
  { $id: 'ServerLogin' },
)
