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
  const members = receivedList<ClusterStatus['members'][number]>(cluster.members)
  // Workers of one machine meet at sockets of it, and ask the first of them.
  const keeper = members.every(({ address }) => cell(address).startsWith('unix:'))
    ? 'the first process'
    : 'Redis'
  const directory =
    up === true
      ? `${keeper} answers in ${cell(roundTripMs)} ms, ${cell(slowestMs)} ms at most`
      : `${keeper} does not answer: what is open goes on, and nothing can be changed`
  const rows = members.map((member) => [
    `${cell(member.instance)}${member.self === true ? ' *' : ''}`,
    cell(member.address),
    cell(member.state),
    cell(member.version),
    cell(member.key),
    member.state === 'gone' ? 'over' : `${cell(member.leaseMs)} ms`,
  ])
  const lapses = `leases of this replica that were over: ${cell(cluster.lapses)}`
  return [
    `cluster ${cell(cluster.name)}: ${directory}; ${lapses}`,
    ...problemsOf(cluster).map((problem) => `this replica: ${problem}`),
    table(['INSTANCE', 'ADDRESS', 'STATE', 'VERSION', 'KEY', 'LEASE'], rows),
  ].join('\n')
}
