/** A rule of a key in a sentence. Pure. */
import type { KeyList } from '../../../../http/api/key-answers.ts'

export type KeyRule = KeyList['keys'][number]['access'][number]

const namedMax = 4

export function ruleWords({ servers, tools, prompts, resources, readOnly }: KeyRule): string {
  const what = [
    tools == null ? null : kindWords('tool', tools),
    prompts == null ? null : kindWords('prompt', prompts),
    resources == null ? null : kindWords('resource', resources),
  ].filter((words) => words !== null)
  const where = servers == null ? 'nothing' : servers.includes('*') ? 'all servers' : named(servers)
  const only = readOnly === true ? ', only tools that say they only read' : ''
  return `${what.length === 0 ? 'everything' : what.join(', ')} of ${where}${only}`
}

function kindWords(kind: string, names: readonly string[]): string {
  if (names.length === 0) return `no ${kind}s`
  return `the ${kind}${names.length === 1 ? '' : 's'} ${named(names)}`
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, namedMax).join(', ')
  return names.length > namedMax ? `${shown} and ${names.length - namedMax} more` : shown
}
