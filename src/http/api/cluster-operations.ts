/** The operation about the cluster; see operations.ts. */
import { Type } from '@sinclair/typebox'
import { nullable, oneOf, textOf } from './answers.ts'
import type { Operation } from './operation-form.ts'

const member = Type.Object(
  {
    instance: textOf('Which process it is; one that begins anew has another.'),
    address: textOf('Where the other replicas reach it.'),
    state: oneOf(
      ['serving', 'draining', 'gone'],
      'Whether it serves, is about to stop, or has not been heard of for longer than its lease.',
    ),
    version: textOf('Its version of the program.'),
    leaseMs: Type.Integer({ description: 'How long its lease goes on; zero or less when it is over.' }),
    key: oneOf(
      ['shared', 'other', 'none', 'unknown'],
      'Whether it has the key that stored credentials are sealed with; `unknown` for versions that do not say.',
    ),
    self: Type.Boolean({ description: 'Whether it is the one that answers.' }),
  },
  { $id: 'ClusterMember' },
)

const cluster = Type.Object(
  {
    name: textOf('The name of the cluster.'),
    instance: textOf('The one that answers.'),
    directory: Type.Object(
      {
        up: Type.Boolean({ description: 'Whether Redis answers.' }),
        roundTripMs: Type.Number({ description: 'The middle one of the last answers.' }),
        slowestMs: Type.Number({ description: 'The slowest one of the last answers.' }),
        missed: Type.Integer({ description: 'Renewals of the lease that were not answered.' }),
      },
      { description: 'Redis, as this replica sees it.' },
    ),
    lapses: Type.Integer({ description: 'How often the lease of this replica was over while it ran.' }),
    credentialsKey: nullable(
      textOf('Names the key that stored credentials are sealed with.'),
      'Null where no replica has one.',
    ),
    problems: Type.Array(textOf('One sentence.'), {
      description: 'What is wrong with the one that answers, and what to do.',
    }),
    members: Type.Array(member, { description: 'The one that answers first.' }),
  },
  { $id: 'Cluster' },
)

/** By `operationId`. */
export const clusterOperations = {
  getCluster: {
    tag: 'configuration',
    summary: 'The replicas that serve together, as this one sees them.',
    access: 'admin',
    answers: {
      200: {
        description: 'Who belongs to it.',
        schema: Type.Object(
          { cluster: nullable(cluster, 'Null for a gateway that is alone.') },
          { $id: 'ClusterAnswer' },
        ),
      },
    },
  },
} as const satisfies Readonly<Record<string, Operation>>
