/** The body that stores a credential. Apart from the operations: handlers check by it. */
import { type Static, Type } from '@sinclair/typebox'

export const credentialValue = Type.Object(
  { value: Type.String({ description: 'The credential itself; no answer ever has it.' }) },
  { $id: 'CredentialValue', additionalProperties: false, description: 'an object with a value' },
)

export type CredentialValue = Static<typeof credentialValue>
