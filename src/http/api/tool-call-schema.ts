/** Bodies of requests about tools. A file of its own, because every gateway checks with them. */
import { type Static, Type } from '@sinclair/typebox'

/** Which tool of which server to call, and with what. */
export const toolCall = Type.Object(
  {
    mcpName: Type.String({ maxLength: 64, description: 'the name of a server' }),
    toolName: Type.String({ minLength: 1, maxLength: 256, description: 'the name of a tool' }),
    arguments: Type.Optional(
      Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()], { description: 'an object' }),
    ),
  },
  { $id: 'ToolCall', additionalProperties: false },
)

export type ToolCall = Static<typeof toolCall>

const hash = Type.String({ pattern: '^[0-9a-f]{64}$', description: '64 hexadecimal digits' })

/** What `POST /admin/approvals/{name}` approves: one of the two. */
export const approvalChoice = Type.Object(
  {
    hashes: Type.Optional(
      Type.Array(hash, { minItems: 1, maxItems: 10_000, description: 'a list of 1 to 10000 hashes' }),
    ),
    all: Type.Optional(hash),
  },
  { $id: 'ApprovalChoice', additionalProperties: false },
)
