import { type ArgsDef, defineCommand } from 'citty'
import { UsageError } from '../../errors.ts'
import { parseArguments } from '../arguments.ts'
import { printAsIs } from '../terminal/output.ts'
import { scripts } from './scripts.ts'

const shells = Object.keys(scripts)

const args: ArgsDef = {
  shell: { type: 'positional', valueHint: shells.join('|'), description: `One of ${shells.join(', ')}.` },
}

export const completion = defineCommand({
  meta: {
    name: 'completion',
    description: [
      'Prints a script for a shell that completes commands, flags, and names of servers and tools.',
      '  source <(compozy completion bash)',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { positionals } = parseArguments(rawArgs, args)
    const [shell = ''] = positionals
    const script = Object.entries(scripts).find(([name]) => name === shell)?.[1]
    if (script === undefined)
      throw new UsageError(`SHELL must be one of ${shells.join(', ')}, got "${shell}"`)
    printAsIs(script)
    return 0
  },
})
