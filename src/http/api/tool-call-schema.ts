/** The body of `POST /admin/tools/call`. A file of its own, because every gateway checks with it. */
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
