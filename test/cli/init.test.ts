/** `compozy init`: a file that starts as it is, is never written over another, and holds tokens where asked. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Ajv from 'ajv'
import { schemaText } from '../../scripts/configuration-schema.ts'
import { startGatewayProcess } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runCommand } from './run-command.ts'

const via = 'executable'
const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(JSON.parse(schemaText()))

async function initialised(
  args: readonly string[] = [],
): Promise<{ text: string; stdout: string; mode: number }> {
  using directory = temporaryDirectory()
  const { exitCode, stdout, stderr } = await runCommand(['init', ...args], { via, cwd: directory.path })
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  const path = join(directory.path, 'compozy.yaml')
  const checked = await runCommand(['config', 'check', '--mcp-port', '0'], { via, cwd: directory.path })
  expect(checked).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('0 errors, 0 warnings') })
  return { text: readFileSync(path, 'utf8'), stdout, mode: statSync(path).mode & 0o777 }
}

describe('compozy init', () => {
  test('writes a file that the schema at its top and the gateway take', async () => {
    const { text } = await initialised()
    expect(text).toStartWith(`# yaml-language-server: $schema=${JSON.parse(schemaText()).$id}\n`)
    expect(validate(Bun.YAML.parse(text))).toBe(true)
    await using gateway = await startGatewayProcess({ via, config: text })
    expect((await gateway.admin('/mcps')).status).toBe(200)
  })

  test('each line that is commented out can be taken in', async () => {
    const { text } = await initialised()
    const lines = text.replace('mcps: []', 'mcps:').split('\n').slice(3)
    const taken = lines.map((line) =>
      line.replace(/^( {2})# (?=\S| {2})/, '$1').replace(/^( +)#( {3})/, '$1$2'),
    )
    const tree = Bun.YAML.parse(taken.join('\n')) as { mcp_proxy: object; mcps: object[] }
    expect(Object.keys(tree.mcp_proxy)).toEqual(['host', 'port', 'base_url', 'auth', 'security', 'logging'])
    expect(tree.mcps.map((server) => Reflect.get(server, 'name'))).toEqual(['files', 'docs'])
    expect(validate(tree)).toBe(true)
  })

  test('puts tokens in where asked, new ones each time, for its owner to read', async () => {
    const [one, other] = [await initialised(['--tokens']), await initialised(['--tokens'])]
    const tokensOf = (text: string) =>
      [...text.matchAll(/tokens: \["([\w-]{43})"\]/g)].map(([, token]) => token)
    const all = [...tokensOf(one.text), ...tokensOf(other.text)]
    expect(new Set(all).size).toBe(4)
    expect(one.mode).toBe(0o600)
    for (const token of all) expect(one.stdout + other.stdout).not.toContain(token)
    await using gateway = await startGatewayProcess({ via, config: one.text })
    expect((await gateway.admin('/mcps')).status).toBe(401)
    expect((await fetch(gateway.face('any', 'stream'))).status).toBe(401)
  })

  test('leaves a file that is there as it is', async () => {
    using directory = temporaryDirectory({ 'compozy.yaml': '# mine' })
    expect(await runCommand(['init'], { via, cwd: directory.path })).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'compozy: compozy.yaml is there already and stays as it is; name another file with --config\n',
    })
    expect(readFileSync(join(directory.path, 'compozy.yaml'), 'utf8')).toBe('# mine')
  })

  test.each([
    { why: 'a form that has no comments', path: 'compozy.json', exitCode: 2 },
    { why: 'a folder that is not there', path: 'none/compozy.yaml', exitCode: 1 },
  ])('refuses $why', async ({ path, exitCode }) => {
    using directory = temporaryDirectory()
    const finished = await runCommand(['init', '--config', path], { via, cwd: directory.path })
    expect(finished).toMatchObject({ exitCode, stdout: '' })
    expect(existsSync(join(directory.path, path))).toBe(false)
  })
})
