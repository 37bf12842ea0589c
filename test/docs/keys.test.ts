/** docs/KEYS.md is true: its examples are configurations, its keys are keys, and its commands are those of the program. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { keyBody } from '../../src/cli/keys/key-flags.ts'
import { loadConfig } from '../../src/config/load.ts'
import { hashOfKey, isKeyText, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { fileKeySchema, newKeySchema } from '../../src/registry/access/key-schema.ts'
import { repository } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const text = readFileSync(join(repository, 'docs', 'KEYS.md'), 'utf8')
const contract = readFileSync(join(repository, 'docs', 'CONTRACT.md'), 'utf8')

test('its examples are configurations', async () => {
  const examples = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = '']) => yaml)
  expect(examples.length).toBeGreaterThan(0)
  for (const yaml of examples) {
    using directory = temporaryDirectory({ 'compozy.yaml': yaml })
    const environment = { HOME: directory.path }
    const { config } = await loadConfig({
      flags: {},
      environment,
      directory: directory.path,
      terminal: false,
    })
    expect(config.auth.keys.length).toBeGreaterThan(0)
  }
})

test('the keys that it shows are keys, and the hash of the one for a file is its hash', () => {
  const keys = [...text.matchAll(/^cpz_\S+$/gm)].map(([key]) => key)
  expect(keys.length).toBeGreaterThan(2)
  expect(keys.filter((key) => !isKeyText(key))).toEqual([])
  const [, id = '', hash = ''] = /"id":"(\w+)".*"hash":"(sha256:\w+)"/.exec(text) ?? []
  expect(hashOfKey(keys.find((key) => key.includes(`_${id}_`)) ?? '')).toBe(hash)
})

test('the pattern for scanners finds keys, and nothing but them', () => {
  const [, pattern = ''] = /by `(cpz_[^`]*)`/.exec(text) ?? []
  const scanner = new RegExp(`\\b${pattern}\\b`, 'g')
  const key = makeKeyText('abcdefgh')
  expect(`export KEY=${key};x`.match(scanner)).toEqual([key])
  expect(`${key}x cpz_x ${key.slice(1)}`.match(scanner)).toBeNull()
})

test('the rule that it shows for --access is one', () => {
  const [, access = ''] = /--access '([^']*)'/.exec(text) ?? []
  expect(keyBody('ana', { server: ['docs'], access: [access] }, 0).access).toHaveLength(2)
})

test('the contract names every field of a key', () => {
  const [, section = ''] = contract.split('\n### Keys\n')
  const fields = [...Object.keys(fileKeySchema.properties), ...Object.keys(newKeySchema.properties)]
  for (const field of fields) expect(section.split('\n## ')[0]).toContain(field)
})
