import { expect, test } from 'bun:test'
import { configurationTable } from '../../scripts/configuration-table.ts'

test('docs/CONFIGURATION.md has the table that the schema makes', async () => {
  const text = await Bun.file(new URL('../../docs/CONFIGURATION.md', import.meta.url)).text()
  expect(text).toContain(configurationTable())
})
