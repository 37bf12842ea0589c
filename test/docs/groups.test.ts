/** docs/GROUPS.md is true: its examples are configurations, and names are shown as it says. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/load.ts'
import { GroupNames } from '../../src/group/names.ts'
import { groupFields } from '../../src/registry/group/group-schema.ts'
import { rowsUnder } from '../house/rules.ts'
import { repository } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const text = readFileSync(join(repository, 'docs', 'GROUPS.md'), 'utf8')
const examples = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = '']) => yaml)

test('it has examples', () => {
  expect(examples.length).toBeGreaterThan(5)
})

describe('an example', () => {
  test.each(examples.map((yaml, index) => ({ yaml, index })))(
    '$index is a configuration',
    async ({ yaml }) => {
      using directory = temporaryDirectory({ 'compozy.yaml': yaml })
      const environment = { DOCS_TEAM_TOKEN: 'docs-4c19' }
      const sources = { flags: {}, environment, directory: directory.path, terminal: false }
      const { config, warnings } = await loadConfig(sources)
      expect(warnings).toEqual([])
      if (yaml.includes('mcps:')) expect(config.servers.some(({ group }) => group !== null)).toBe(true)
    },
  )
})

test('every field of a group, and of a member, has its row', () => {
  const told = rowsUnder(text, 'field').map(([cell = '']) => cell)
  for (const field of Object.keys(groupFields))
    expect(told).toContainEqual(expect.stringContaining(`\`${field}\``))
  const ofMember = rowsUnder(text, 'field of a member')
    .map(([cell = '']) => cell)
    .join()
  for (const field of Object.keys(groupFields.members.items.properties))
    expect(ofMember).toContain(`\`${field}`)
})

test('names are shown as the table says', () => {
  const rows = rowsUnder(text, 'members').map((cells) =>
    cells.map((cell) => [...cell.matchAll(/`([^`]*)`/g)].map(([, name = '']) => name)),
  )
  expect(rows.length).toBeGreaterThan(4)
  for (const [members = [], [server = '', tool = ''] = [], [shown] = []] of rows) {
    const named = members.map((member) => ({ server: member, prefix: { own: true } as const, rename: {} }))
    expect(new GroupNames(named).shown(server, tool)).toBe(shown ?? '')
  }
})
