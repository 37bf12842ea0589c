/** The shapes of answers about approvals of tools; see answers.ts. */
import { type Static, Type } from '@sinclair/typebox'
import { names, nullable, oneOf, serverName, textOf } from './answers.ts'

const difference = Type.Object(
  {
    field: textOf('The path of the member, such as inputSchema.properties.path.description.'),
    before: nullable(Type.String(), 'What was approved; null for nothing.'),
    after: nullable(Type.String(), 'What the server lists; null for nothing.'),
  },
  { $id: 'Difference' },
)

const definitionHash = textOf('The SHA-256 of the definition, in 64 hexadecimal digits.')

const pendingTool = Type.Object(
  {
    tool: textOf('The name of the tool.'),
    hash: definitionHash,
    change: oneOf(['new', 'changed'], 'Whether a definition of it is approved that this one differs from.'),
    listedAt: textOf('When the server has listed it first, in ISO 8601.'),
    approvable: Type.Boolean({ description: 'False for what is too large, or no definition at all.' }),
    doubts: names('What in it is made to be overlooked, a sentence each.'),
    differences: Type.Array(difference, { description: 'What is other than what was approved last.' }),
  },
  { $id: 'PendingTool' },
)

const approvedTool = Type.Object(
  {
    tool: textOf('The name of the tool.'),
    hash: definitionHash,
    approvedAt: textOf('When, in ISO 8601.'),
    approvedBy: textOf('The principal of the admin.'),
    heldBack: Type.Boolean({ description: 'Whether something else waits under its name.' }),
  },
  { $id: 'ApprovedTool' },
)

const serverApprovals = Type.Object(
  {
    server: serverName,
    pinned: Type.Boolean({ description: 'Whether its tools are held back until they are approved.' }),
    pendingHash: textOf('Of all that waits; whoever approves all of it sends it back.'),
    pending: Type.Array(pendingTool, { description: 'What waits.' }),
    more: Type.Boolean({ description: 'Whether more waits than is kept to be shown.' }),
    approved: Type.Array(approvedTool, { description: 'What is approved.' }),
  },
  { $id: 'ServerApprovals' },
)

export const approvalList = Type.Object(
  {
    servers: Type.Array(serverApprovals),
    errors: Type.Array(Type.Object({ mcpName: serverName, error: textOf('Why it listed nothing.') }), {
      description: 'The servers that did not answer.',
    }),
  },
  { $id: 'ApprovalList' },
)

const definitionName = Type.Object(
  { tool: textOf('The name of the tool.'), hash: definitionHash },
  { $id: 'DefinitionName' },
)

/** What approving and revoking answer. */
export const approvalChange = Type.Object(
  {
    message: textOf('What has happened, for people.'),
    server: serverName,
    definitions: Type.Array(definitionName, { description: 'What is approved now, or is so no longer.' }),
  },
  { $id: 'ApprovalChange' },
)

export type ApprovalList = Static<typeof approvalList>
export type ApprovalChange = Static<typeof approvalChange>
