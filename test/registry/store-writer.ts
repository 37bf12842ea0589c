/** Writes definitions for ever and prints a line for each one that is stored. Killed by store.test.ts. */
import { openSqliteStore } from '../../src/registry/storage/sqlite.ts'
import { definitionOf } from './definitions.ts'

const store = openSqliteStore(process.argv[2] ?? '')
for (let index = 0; ; index++) {
  store.put(definitionOf({ name: `s${index}`, transport: 'stdio', command: 'x' }))
  await Bun.write(Bun.stdout, `${index}\n`)
}
