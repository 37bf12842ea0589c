/** The shapes of answers about keys; see answers.ts. */
import { type Static, Type } from '@sinclair/typebox'
import { keyRuleSchema } from '../../registry/access/key-schema.ts'
import { count, nullable, oneOf, textOf } from './answers.ts'

const keyView = Type.Object(
  {
    id: textOf('Its id, which stands in its text.'),
    name: textOf('What people call it.'),
    principal: textOf('Who that is in the log.'),
    user: nullable(Type.String(), 'On whose behalf it is used.'),
    role: oneOf(['client', 'viewer', 'operator', 'admin'], 'What it opens: MCP endpoints, or the admin API.'),
    access: Type.Array(keyRuleSchema, { description: 'What it reaches; nothing named is nothing allowed.' }),
    rate: nullable(
      Type.Object({ perSecond: count('Requests a second.'), burst: count('Requests at once.') }),
      'How often it may ask; null: as often as everybody.',
    ),
    inFlight: nullable(Type.Integer(), 'Calls that it may have in flight; null: as many as everybody.'),
    source: oneOf(['file', 'store'], 'Where it stands: in the configuration file, or made over the API.'),
    createdAt: nullable(Type.String(), 'When it was made, in ISO 8601; null for one of the file.'),
    expires: nullable(Type.String(), 'When it ends; null for never.'),
    expired: Type.Boolean({ description: 'Whether it has ended.' }),
    lastUsedAt: nullable(Type.String(), 'When it was used last; null for never.'),
    rotatedAt: nullable(Type.String(), 'When it got its present text; null where that is its first.'),
    previousEnds: nullable(
      Type.String(),
      'Until when the text before counts as well; null when it does not.',
    ),
  },
  { $id: 'Key' },
)

/** All keys. */
export const keyList = Type.Object(
  { keys: Type.Array(keyView), count: count('How many there are.') },
  { $id: 'KeyList' },
)

/** One key. */
export const keyAnswer = Type.Object({ key: keyView }, { $id: 'KeyAnswer' })

/** A key with its text, which is in no other answer. */
export const madeKey = Type.Object(
  {
    message: textOf('What has happened, for people.'),
    text: textOf('The key itself. It is shown this once.'),
    key: keyView,
  },
  { $id: 'MadeKey' },
)

/** A key that was changed. */
export const changedKey = Type.Object(
  { message: textOf('What has happened, for people.'), key: keyView },
  { $id: 'ChangedKey' },
)

export type KeyList = Static<typeof keyList>
export type MadeKeyAnswer = Static<typeof madeKey>
