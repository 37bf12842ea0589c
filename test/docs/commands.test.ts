/** docs/COMMANDS.md has every command, and shows what the program says: bun scripts/commands-page.ts writes it. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { commandsOn, commandsPage } from '../../scripts/commands-page.ts'
import { commandsBelow } from '../support/command-tree.ts'
import { repository } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const page = await Bun.file(join(repository, 'docs/COMMANDS.md')).text()

test('has every command, and none that is not there', async () => {
  using folder = temporaryDirectory()
  const all = await commandsBelow([], folder.path)
  const groups = ['', 'servers', 'groups', 'keys', 'approvals', 'cluster', 'credentials', 'secrets', 'config']
  const commands = all.map((words) => words.join(' ')).filter((words) => !groups.includes(words))
  expect(commandsOn(page).sort()).toEqual(commands.sort())
  for (const words of commands) expect(page).toContain(`\n## compozy ${words}\n`)
}, 30_000)

test('shows the help and the output that there is', async () => {
  expect(await commandsPage(page)).toBe(page)
}, 60_000)
