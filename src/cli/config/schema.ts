/** `compozy config schema`: the JSON schema of a configuration file, for editors. */

import { defineCommand } from 'citty'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'

export const configSchema = defineCommand({
  meta: { name: 'schema', description: 'Prints the JSON schema of a configuration file, for editors.' },
  args: {},
  async run({ rawArgs }) {
    parseArguments(rawArgs, {})
    const { configurationSchema } = await import('../../config/file/json-schema.ts')
    print(JSON.stringify(configurationSchema(), null, 2))
    return 0
  },
})
