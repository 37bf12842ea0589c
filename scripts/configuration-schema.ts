/**
 * `bun scripts/configuration-schema.ts`: writes schema/compozy.schema.json from the sources. A test fails when the two
 * differ; the release workflow publishes the file.
 */
import { configurationSchema } from '../src/config/file/json-schema.ts'

export const schemaPath = new URL('../schema/compozy.schema.json', import.meta.url).pathname

/** The text of the file, and of `compozy config schema`. */
export function schemaText(): string {
  return `${JSON.stringify(configurationSchema(), null, 2)}\n`
}

if (import.meta.main) await Bun.write(schemaPath, schemaText())
