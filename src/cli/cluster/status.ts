import { defineCommand } from 'citty'
import type { AnswerOf } from '../../http/api/operation.ts'
import { adminApi, adminFlags, asJson, wantsJson } from '../admin/admin-api.ts'
import { cell, type Received, received, receivedList, receivedTexts } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { table } from '../table.ts'
import { print } from '../terminal/output.ts'

type ClusterStatus = NonNullable<AnswerOf<'getCluster', 200>['cluster']>
type Shown = Received<ClusterStatus>

export const status = defineCommand({
  meta: {
    name: 'status',
    description:
      'Shows the replicas that serve together, as the gateway that answers sees them.\nExits with 1 when Redis does not answer it, or something is wrong with it.',
  },
  args: adminFlags,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, adminFlags)
    const answer = await (await adminApi(flags)).request<AnswerOf<'getCluster', 200>>('GET', '/cluster')
    const cluster = answer.cluster == null ? null : received<ClusterStatus>(answer.cluster)
    print(wantsJson(flags) ? asJson(answer) : cluster === null ? alone : asText(cluster))
    return cluster === null || (directoryOf(cluster).up === true && problemsOf(cluster).length === 0) ? 0 : 1
  },
})

const alone = 'this gateway is alone: cluster.redis is not set'

function directoryOf({ directory }: Shown): Received<ClusterStatus['directory']> {
  return received(directory)
}

function problemsOf({ problems }: Shown): string[] {
  return receivedTexts(problems)
}

function asText(cluster: Shown): string {
  const { up, roundTripMs, slowestMs } = directoryOf(cluster)
  const redis =
    up === true
      ? `Redis answers in ${cell(roundTripMs)} ms, ${cell(slowestMs)} ms at most`
      : 'Redis does not answer: what is open goes on, and nothing can be changed'
  const rows = receivedList<ClusterStatus['members'][number]>(cluster.members).map((member) => [
    `${cell(member.instance)}${member.self === true ? ' *' : ''}`,
    cell(member.address),
    cell(member.state),
    cell(member.version),
    cell(member.key),
    `${cell(member.leaseMs)} ms`,
  ])
  const lapses = `leases of this replica that were over: ${cell(cluster.lapses)}`
  return [
    `cluster ${cell(cluster.name)}: ${redis}; ${lapses}`,
    ...problemsOf(cluster).map((problem) => `this replica: ${problem}`),
    table(['INSTANCE', 'ADDRESS', 'STATE', 'VERSION', 'KEY', 'LEASE'], rows),
  ].join('\n')
}
