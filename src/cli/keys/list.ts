import { defineCommand } from 'citty'
import type { KeyList } from '../../http/api/key-answers.ts'
import { adminApi, adminFlags, asJson, wantsJson } from '../admin/admin-api.ts'
import { cell, type Received, receivedList, receivedTexts } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { table } from '../table.ts'
import { print } from '../terminal/output.ts'
import { ageText } from '../terminal/units.ts'
import type { ReceivedKey } from './known-key.ts'

export const list = defineCommand({
  meta: {
    name: 'list',
    description: 'Lists the keys: what they open, until when, and when they were used last.',
  },
  args: adminFlags,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, adminFlags)
    const api = await adminApi(flags)
    const answer = await api.request<KeyList>('GET', '/keys')
    print(wantsJson(flags) ? asJson(answer) : asTable(answer, Date.now()))
    return 0
  },
})

/** `nowMs` is the wall clock. */
function asTable(answer: Received<KeyList>, nowMs: number): string {
  const keys = receivedList<KeyList['keys'][number]>(answer.keys)
  if (keys.length === 0) return 'no keys; "compozy keys create --help" shows how to make one'
  const rows = keys.map((key) => [
    cell(key.name),
    cell(key.id),
    opens(key),
    cell(key.user),
    ends(key, nowMs),
    key.lastUsedAt === null ? 'never' : `${ago(key.lastUsedAt, nowMs)} ago`,
    cell(key.source),
  ])
  return table(['NAME', 'ID', 'OPENS', 'USER', 'ENDS', 'USED', 'SOURCE'], rows)
}

/** The servers that its rules name; `…` where a rule opens only a part of them. */
function opens({ role, access }: ReceivedKey): string {
  if (role !== 'client') return `admin API as ${cell(role)}`
  const rules = receivedList<KeyList['keys'][number]['access'][number]>(access)
  const shown = rules.map((rule) => {
    const narrow = [rule.tools, rule.prompts, rule.resources].some((names) => names !== undefined)
    return `${receivedTexts(rule.servers).join(' ')}${narrow || rule.readOnly === true ? ' …' : ''}`
  })
  return shown.length === 0 ? 'nothing' : shown.join(', ')
}

function ends({ expires, expired, previousEnds }: ReceivedKey, nowMs: number): string {
  const end = expires === null ? 'never' : expired === true ? 'has ended' : `in ${until(expires, nowMs)}`
  return previousEnds === null ? end : `${end}; its old text in ${until(previousEnds, nowMs)}`
}

function until(instant: unknown, nowMs: number): string {
  return ageText(Date.parse(cell(instant)) - nowMs)
}

function ago(instant: unknown, nowMs: number): string {
  return ageText(nowMs - Date.parse(cell(instant)))
}
