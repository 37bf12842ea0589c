/** A rule of a key in a sentence. Pure. */
import type { KeyList } from '../../../../http/api/key-answers.ts'
import { namePatterns } from '../../../../protocol/name-pattern.ts'

export type KeyRule = KeyList['keys'][number]['access'][number]

const namedMax = 4

export function ruleWords(rule: KeyRule): string {
  const { servers } = rule
  const where = servers == null ? 'nothing' : servers.includes('*') ? 'all servers' : named(servers)
  return `${openedWords(rule)} of ${where}`
}

/** What the rules open of one server, in words; null where none of them reaches it. */
export function openedOf(rules: readonly KeyRule[], server: string): string | null {
  const reaching = rules.filter(({ servers }) => servers != null && namePatterns(servers)(server))
  return reaching.length === 0 ? null : reaching.map(openedWords).join('; and ')
}

function openedWords({ tools, prompts, resources, readOnly }: KeyRule): string {
  if (tools == null && prompts == null && resources == null && readOnly !== true) return 'everything'
  const ofTools = kindWords('tool', tools)
  const kinds = [
    readOnly === true && ofTools !== '' ? `${ofTools.replace(/^all /, '')} that say they only read` : ofTools,
    kindWords('prompt', prompts),
    kindWords('resource', resources),
  ]
  const open = kinds.filter((words) => words !== '')
  return open.length === 0 ? 'nothing' : `only ${open.join(', ')}`
}

/** Empty for none of the kind. */
function kindWords(kind: string, names: readonly string[] | null | undefined): string {
  if (names == null || names.includes('*')) return `all ${kind}s`
  if (names.length === 0) return ''
  return `the ${kind}${names.length === 1 ? '' : 's'} ${named(names)}`
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, namedMax).join(', ')
  return names.length > namedMax ? `${shown} and ${names.length - namedMax} more` : shown
}

/** A reason as the gateway gives it, with the place of a rule and the id of a key in words. */
export function reasonWords(reason: string, names: ReadonlyMap<string, string>): string {
  return reason
    .replaceAll(/\baccess\[(\d+)\] of /g, (_, index: string) => `rule ${Number(index) + 1} of `)
    .replaceAll(/\bkey:[\w-]+/g, (id) => names.get(id) ?? id)
}
