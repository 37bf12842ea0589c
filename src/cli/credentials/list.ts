import { type ArgsDef, defineCommand } from 'citty'
import type { AnswerOf } from '../../http/api/operation.ts'
import { adminApi, asJson, wantsJson } from '../admin/admin-api.ts'
import { cell, type Received, received, receivedList } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { table } from '../table.ts'
import { print } from '../terminal/output.ts'
import { credentialsApi, whoseFlags } from './whose.ts'

type Mine = AnswerOf<'listMyCredentials', 200>
type All = AnswerOf<'listCredentials', 200>

const args: ArgsDef = {
  ...whoseFlags,
  all: { type: 'boolean', description: 'For admins: of everybody.' },
}

export const list = defineCommand({
  meta: {
    name: 'list',
    description:
      'Lists what servers take of you, and what of it is stored; never a value.\nWith --owner or --all, as an admin: what is stored of others.',
  },
  args,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, args)
    const ofAll = flags['all']?.at(-1) === 'true'
    const { owner, request } = ofAll
      ? { owner: null, ...(await adminApi(flags)) }
      : await credentialsApi(flags)
    if (!ofAll && owner === null) {
      const answer = await request<Mine>('GET', '/credentials')
      print(wantsJson(flags) ? asJson(answer) : myTable(answer))
      return 0
    }
    const query = owner === null ? '' : `?owner=${encodeURIComponent(owner)}`
    const answer = await request<All>('GET', `/credentials${query}`)
    print(wantsJson(flags) ? asJson(answer) : tableOf(answer))
    return 0
  },
})

function myTable(answer: Received<Mine>): string {
  const rows = receivedList<Mine['servers'][number]>(answer.servers).flatMap((one) => {
    const values = receivedList<Mine['servers'][number]['credentials'][number]>(one.credentials)
    const rows = values.map((each) => [
      cell(one.server),
      cell(each.name),
      each.updatedAt === null ? 'not set' : cell(each.updatedAt),
    ])
    return one.login ? [...rows, [cell(one.server), 'login', loginCell(received(one.login))]] : rows
  })
  if (rows.length === 0) return 'no server that you may use takes a credential or a login of each user'
  return table(['SERVER', 'NAME', 'STORED'], rows)
}

/** That it is there, or where to log in. */
function loginCell({ state, url }: Received<NonNullable<Mine['servers'][number]['login']>>): string {
  if (state === 'logged_in') return 'logged in'
  return `${state === 'needs_login' ? 'none' : 'allows too little'}: ${cell(url)}`
}

function tableOf(answer: Received<All>): string {
  const rows = receivedList<All['credentials'][number]>(answer.credentials).map((each) => {
    const { owner, server, name, updatedAt } = received<All['credentials'][number]>(each)
    return [cell(owner), cell(server), cell(name), cell(updatedAt)]
  })
  return rows.length === 0 ? 'nothing is stored' : table(['OWNER', 'SERVER', 'NAME', 'STORED'], rows)
}
