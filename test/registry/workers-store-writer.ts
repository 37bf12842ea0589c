/** Writes so many definitions beside others that do the same. Started by tests of this room. */
import { openSharedStore } from '../../src/registry/storage/sqlite.ts'
import { openTurns } from '../../src/registry/storage/turns.ts'
import { definitionOf } from './definitions.ts'

const [directory = '', run = '', name = '', count = '0'] = process.argv.slice(2)
const store = openSharedStore(
  directory,
  openTurns(directory, run, () => {}),
)
for (let index = 0; index < Number(count); index++)
  store.put(definitionOf({ name: `${name}${index}`, transport: 'stdio', command: 'x' }))
