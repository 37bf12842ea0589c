/** docs/CONTRACT.md says what users see. Its tables are compared with the sources that decide it. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { schemaPath, schemaText } from '../../scripts/configuration-schema.ts'
import { gatewayFlags } from '../../src/cli/config-flags.ts'
import { configVariable, debugVariable } from '../../src/config/environment.ts'
import { namedSettings } from '../../src/config/shape.ts'
import { catalogue } from '../../src/errors.ts'
import { definitionWireSchema } from '../../src/registry/definition-schema.ts'
import { rowsUnder } from '../house/rules.ts'
import { repository } from '../house/source-tree.ts'
import { startFront } from '../http/front.ts'

const contract = readFileSync(join(repository, 'docs', 'CONTRACT.md'), 'utf8')

/** The part below a heading, up to the next one of its level. */
function section(heading: string): string {
  const [, after] = contract.split(`\n## ${heading}\n`)
  if (after === undefined) throw new Error(`docs/CONTRACT.md has no section "${heading}"`)
  return after.split('\n## ')[0] ?? ''
}

/** Cells without the marks of code and links. */
function plain(rows: readonly string[][]): string[][] {
  return rows.map((cells) => cells.map((cell) => cell.replaceAll('`', '')))
}

describe('flags, environment, file', () => {
  const text = section('Flags, environment, file')

  test('the table has every setting with a flag, in the order of the schema, with its default', () => {
    const expected = namedSettings.flatMap(({ key, env, flag, setting }) => {
      if (flag === null) return []
      const { initial, initialWords, kind } = setting
      const shown = initialWords ?? (String(initial) === '' ? 'none' : kind.show(initial as never))
      return [[`--${flag}`, env, key, shown]]
    })
    expect(plain(rowsUnder(text, 'flag'))).toEqual(expected)
  })

  test('every other flag of the gateway, and its variable, is named beside the table', () => {
    const flags = Object.keys(gatewayFlags).map((flag) => `--${flag}`)
    expect(flags.filter((flag) => !text.includes(`\`${flag}`))).toEqual([])
    expect([configVariable, debugVariable].filter((name) => !text.includes(`\`${name}\``))).toEqual([])
  })
})

test('schema/compozy.schema.json is what the sources make: bun scripts/configuration-table.ts writes it', () => {
  expect(readFileSync(schemaPath, 'utf8') === schemaText()).toBe(true)
})

test('the table of errors is the catalogue: every code, with its statuses', () => {
  const expected = Object.entries(catalogue).map(([code, { status, rpcCode }]) => [
    code,
    String(status),
    String(rpcCode),
  ])
  expect(plain(rowsUnder(section('Errors'), 'code')).map((cells) => cells.slice(0, 3))).toEqual(expected)
})

test('the table of endpoints is what the router serves', async () => {
  await using front = await startFront()
  const served = front.routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
  const told = rowsUnder(section('Endpoints'), 'method and path').flatMap(([cell = '']) => {
    const [, methods = '', path = ''] = /^`([A-Z ]+) (\/\S+)`/.exec(cell) ?? []
    const paths = cell.includes('and below it') ? [path, `${path}/*`] : [path]
    return paths.flatMap((each) => methods.split(' ').map((method) => `${method} ${each}`))
  })
  expect(told.toSorted()).toEqual([...new Set(served)].toSorted())
})

test('the definition that is shown has every field of the schema but the one that only files have', () => {
  const [, shown = ''] = /```json\n([\s\S]*?)```/.exec(section('Admin API')) ?? []
  const fields = Object.keys(JSON.parse(shown))
  const known = Object.keys(definitionWireSchema.properties).filter((field) => field !== 'cwd')
  expect(fields.toSorted()).toEqual(known.toSorted())
})
