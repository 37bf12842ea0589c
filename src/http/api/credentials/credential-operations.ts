/** The operations about stored credentials, and the shapes of their answers; see operations.ts. No value is in any. */
import { Type } from '@sinclair/typebox'
import { nullable, serverName, textOf } from '../answers.ts'
import { loginView } from '../logins/login-schema.ts'
import type { Operation } from '../operation-form.ts'
import { credentialValue } from './credential-schema.ts'

/** What rotating answers. */
const secretsRotation = Type.Object(
  {
    message: textOf('What has happened, for people.'),
    resealed: Type.Integer({ description: 'Credentials that were sealed anew.' }),
    unopened: Type.Integer({ description: 'Credentials whose key is not there: they stay as they are.' }),
    place: textOf('Where the key is.'),
  },
  { $id: 'SecretsRotation' },
)

const credentialName = textOf('Its name, as the definition of the server has it.')
const time = textOf('When it was stored, in ISO 8601.')

/** What a user sees of what they have stored. */
const myCredentials = Type.Object(
  {
    owner: textOf('Whose these are.'),
    servers: Type.Array(
      Type.Object({
        server: serverName,
        description: textOf('What the server is for.'),
        login: nullable(
          Type.Object({
            state: loginView.properties.state,
            url: textOf('Where the user logs in.'),
          }),
          'Null where the server wants no login of each user.',
        ),
        credentials: Type.Array(
          Type.Object({
            name: credentialName,
            updatedAt: nullable(Type.String(), 'When it was stored, in ISO 8601; null where it is not.'),
          }),
        ),
      }),
      { description: 'The servers that the user may use, and that take something of each user.' },
    ),
  },
  { $id: 'MyCredentials' },
)

/** What admins see of what is stored. */
const credentialList = Type.Object(
  {
    credentials: Type.Array(
      Type.Object({
        owner: textOf('Whose it is: `oauth:` and a hash, `user:` and a name, `key:` and an id.'),
        server: serverName,
        name: credentialName,
        updatedAt: time,
      }),
    ),
    count: Type.Integer({ description: 'How many there are.' }),
  },
  { $id: 'CredentialList' },
)

const value = { description: 'The credential.', schema: credentialValue }
const owner = {
  owner: {
    description:
      'Whose: `key:ID`, `user:NAME`, `oauth:HASH`, or issuer and subject with a space between them. Required.',
    schema: Type.String(),
  },
}
const errorsOfChange = ['SERVER_UNKNOWN', 'NOT_FOUND', 'STORE_UNAVAILABLE', 'STORAGE_FULL'] as const
const errorsOfMine = [
  'UNAUTHENTICATED',
  'ADMIN_FORBIDDEN',
  'ISSUER_UNAVAILABLE',
  'RATE_LIMITED',
  'DRAINING',
] as const

/** Of whoever uses a server that takes credentials of each user. */
export const errorsOfCredentials = ['CREDENTIAL_MISSING', 'SECRETS_LOCKED'] as const

/** By `operationId`. */
export const credentialOperations = {
  rotateSecrets: {
    tag: 'credentials',
    summary: 'Seals every stored credential with a new key; the old one opens nothing of it any more.',
    access: 'admin',
    answers: { 200: { description: 'They are sealed anew.', schema: secretsRotation } },
    errors: ['SECRETS_LOCKED', 'STORE_UNAVAILABLE', 'STORAGE_FULL'],
  },
  listMyCredentials: {
    tag: 'credentials',
    summary: 'What servers take of whoever asks, and what of it is stored; never a value.',
    access: 'everyone',
    answers: { 200: { description: 'The servers.', schema: myCredentials } },
    errors: errorsOfMine,
  },
  setMyCredential: {
    tag: 'credentials',
    summary: 'Stores a credential of whoever asks; what they have of the server goes on with it.',
    access: 'everyone',
    body: value,
    answers: { 204: { description: 'It is stored.', schema: null } },
    errors: [...errorsOfChange, ...errorsOfMine, 'SECRETS_LOCKED', 'CREDENTIALS_EXHAUSTED'],
  },
  removeMyCredential: {
    tag: 'credentials',
    summary: 'Removes a credential of whoever asks; what was opened with it ends.',
    access: 'everyone',
    answers: { 204: { description: 'It is gone.', schema: null } },
    errors: [...errorsOfChange, ...errorsOfMine],
  },
  logOutMine: {
    tag: 'credentials',
    summary: 'Ends the login of whoever asks at a server, here and at its issuer.',
    access: 'everyone',
    answers: { 204: { description: 'It is over.', schema: null } },
    errors: [...errorsOfChange, ...errorsOfMine, 'SECRETS_LOCKED'],
  },
  listCredentials: {
    tag: 'credentials',
    summary: 'What is stored, of whom and for which server; never a value.',
    access: 'admin',
    query: {
      owner: { description: 'Only of this owner.', schema: Type.String() },
      server: { description: 'Only for this server.', schema: Type.String() },
    },
    answers: { 200: { description: 'All of it.', schema: credentialList } },
    errors: [],
  },
  setCredential: {
    tag: 'credentials',
    summary: 'Stores a credential of somebody else.',
    access: 'admin',
    query: owner,
    body: value,
    answers: { 204: { description: 'It is stored.', schema: null } },
    errors: [...errorsOfChange, 'SECRETS_LOCKED', 'CREDENTIALS_EXHAUSTED'],
  },
  removeCredential: {
    tag: 'credentials',
    summary: 'Removes a credential of somebody else; what was opened with it ends.',
    access: 'admin',
    query: owner,
    answers: { 204: { description: 'It is gone.', schema: null } },
    errors: errorsOfChange,
  },
} as const satisfies Readonly<Record<string, Operation>>
