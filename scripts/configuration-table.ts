/**
 * `bun scripts/configuration-table.ts`: writes the table of docs/CONFIGURATION.md from the one in
 * src/config/schema.ts, and schema/compozy.schema.json from that and the schema of a definition. Tests fail when they
 * differ.
 */

import { namedSettings } from '../src/config/shape.ts'
import { schemaPath, schemaText } from './configuration-schema.ts'

const path = new URL('../docs/CONFIGURATION.md', import.meta.url).pathname
const begin = '<!-- table -->'
const end = '<!-- end of table -->'

/** The rows of the table, one for each setting. */
export function configurationTable(): string {
  const rows = namedSettings.map(({ key, env, flag, setting }) => {
    const { initial, initialWords, kind, doc, restart } = setting
    const shown =
      initialWords ??
      (initial === null || String(initial) === '' ? 'none' : `\`${kind.show(initial as never)}\``)
    return `| \`${key}\` | \`${env}\` | ${flag ? `\`--${flag}\`` : ''} | ${shown} | ${restart === true ? 'restart' : 'reload'} | ${doc} |`
  })
  return [
    '| key under `mcp_proxy` | variable | flag | default | takes | meaning |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}

if (import.meta.main) {
  const text = await Bun.file(path).text()
  const head = text.slice(0, text.indexOf(begin) + begin.length)
  await Bun.write(schemaPath, schemaText())
  await Bun.write(path, `${head}\n\n${configurationTable()}\n\n${text.slice(text.indexOf(end))}`)
}
