import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rowsUnder } from '../house/rules.ts'
import { repository } from '../house/source-tree.ts'

const folder = join(repository, 'docs', 'decisions')

test('docs/decisions/README.md lists every page of the folder, once', () => {
  const rows = rowsUnder(readFileSync(join(folder, 'README.md'), 'utf8'), 'page')
  const listed = rows.map(([cell = '']) => /\(([\w.-]+)\)/.exec(cell)?.[1])
  const pages = readdirSync(folder).filter((name) => name !== 'README.md')
  expect(listed.toSorted()).toEqual(pages.toSorted())
})
