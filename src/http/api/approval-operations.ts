/** The operations about approvals of tools; see operations.ts. */
import { Type } from '@sinclair/typebox'
import { approvalChange, approvalList } from './approval-answers.ts'
import type { Operation } from './operation-form.ts'
import { approvalChoice } from './tool-call-schema.ts'

/** By `operationId`. */
export const approvalOperations = {
  listApprovals: {
    tag: 'tools',
    summary: 'What waits for approval at pinned servers, with what differs, and what is approved.',
    access: 'admin',
    query: {
      name: {
        description: 'Only this server; one that is not pinned shows what would wait if it were.',
        schema: Type.String(),
      },
      wait: {
        description: 'How long each server may take, 10s at most; those that take longer stand in `errors`.',
        schema: Type.String({ description: 'A duration such as 3s.' }),
      },
    },
    answers: { 200: { description: 'All of it.', schema: approvalList } },
    errors: ['SERVER_UNKNOWN'],
  },
  approveTools: {
    tag: 'tools',
    summary: 'Approves definitions by the hashes that were seen, and nothing else.',
    access: 'admin',
    body: { description: 'Which ones: hashes, or all by pendingHash.', schema: approvalChoice },
    answers: { 200: { description: 'They are approved.', schema: approvalChange } },
    errors: ['SERVER_UNKNOWN', 'APPROVAL_STALE', 'STORE_UNAVAILABLE', 'STORAGE_FULL'],
  },
  revokeApprovals: {
    tag: 'tools',
    summary:
      'Forgets definitions: an approved one is held back from now on, one that waits was never listed.',
    access: 'admin',
    query: {
      hash: { description: 'Only this definition.', schema: Type.String() },
      all: { description: 'All that is approved or waits at the server.', schema: Type.Boolean() },
    },
    answers: { 204: { description: 'It is forgotten.', schema: null } },
    errors: ['SERVER_UNKNOWN', 'NOT_FOUND', 'STORE_UNAVAILABLE', 'STORAGE_FULL'],
  },
} as const satisfies Readonly<Record<string, Operation>>
