/** The JSON schema of a configuration file as it is published. `bun scripts/configuration-table.ts` writes it. */
import { configurationSchema } from '../src/config/file/json-schema.ts'

export const schemaPath = new URL('../schema/compozy.schema.json', import.meta.url).pathname

/** The text of the file, and of `compozy config schema`. */
export function schemaText(): string {
  return `${JSON.stringify(configurationSchema(), null, 2)}\n`
}
