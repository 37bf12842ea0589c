/** Writes definitions, for ever or so many, and prints a line for each one that is stored. Started by tests of this room. */
import { openSqliteStore } from '../../src/registry/storage/sqlite.ts'
import { definitionOf } from './definitions.ts'

const [directory = '', count = 'Infinity'] = process.argv.slice(2)
const store = openSqliteStore(directory)
for (let index = 0; index < Number(count); index++) {
  const description = 'x'.repeat(500 + ((index * 7919) % 1500))
  store.put(definitionOf({ name: `s${index}`, description, transport: 'stdio', command: 'x' }))
  await Bun.write(Bun.stdout, `${index}\n`)
}
