/** `--help` and `--version`: what a person sees who knows nothing yet. */
import { describe, expect, test } from 'bun:test'
import { version } from '../../package.json'
import { namedSettings } from '../../src/config/shape.ts'
import { gatewayForms } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runCommand } from './run-command.ts'

describe.each([...gatewayForms])('as %s', (via) => {
  async function page(...args: readonly string[]): Promise<string> {
    using directory = temporaryDirectory()
    const { exitCode, stdout, stderr } = await runCommand(args, { via, cwd: directory.path })
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    return stdout
  }

  test('--version says version and runtime, and what it was built from when it was built', async () => {
    const built =
      via === 'executable' ? 'commit (?:[0-9a-f]{7,12}|unknown), built \\d{4}-\\d\\d-\\d\\dT[\\d:]{8}Z, ' : ''
    const expected = `^compozy ${version} \\(${built}bun ${Bun.version}\\)\\n$`
    expect(await page('--version')).toMatch(new RegExp(expected))
    expect(await page('-v')).toMatch(new RegExp(expected))
    expect(await page('version')).toMatch(new RegExp(expected))
  })

  test.each([
    { args: ['--help'], why: 'the flag' },
    { args: ['-h'], why: 'its short form' },
    { args: ['help'], why: 'the word' },
    { args: [], why: 'no word at all' },
  ])('lists the commands for $why', async ({ args }) => {
    const text = await page(...args)
    expect(text).toStartWith('compozy COMMAND [flags]\n')
    for (const name of ['mcp-proxy', 'servers', 'config', 'healthcheck'])
      expect(text).toContain(`\n  ${name} `)
  })

  test('mcp-proxy --help lists every flag with its variable and default', async () => {
    const text = await page('mcp-proxy', '--help')
    for (const { flag, env } of namedSettings) {
      if (flag !== null) expect(text).toMatch(new RegExp(`--${flag} <[^>]+>[^]*?env ${env}, default \\S`))
    }
    const words = text.replaceAll(/\s+/g, ' ')
    expect(words).toContain('env COMPOZY_CONFIG, default compozy.yaml if it is there')
    expect(words).toContain('env MCP_PROXY_DEBUG, default false')
    expect(words).toContain('env MCP_PROXY_PORT, default 6001')
    expect(words).toContain('--mcp-import <file>')
  })

  test('help COMMAND is COMMAND --help', async () => {
    const text = await page('servers', 'add', '--help')
    expect(await page('help', 'servers', 'add')).toBe(text)
    expect(await page('servers', 'help', 'add')).toBe(text)
    expect(await page('servers', 'list', '--version')).toBe(await page('--version'))
  })

  test.each(['servers', 'config', 'healthcheck', 'config print', 'servers add', 'servers call'])(
    '%s has a page',
    async (words) => {
      expect(await page(...words.split(' '), '--help')).toStartWith(`compozy ${words} `)
    },
  )
})

test('a flag behind -- belongs to the other command', async () => {
  using directory = temporaryDirectory()
  const args = ['servers', 'add', 'x', '--url', 'http://127.0.0.1:9', '--', 'server', '--help']
  const { exitCode, stderr } = await runCommand(args, { cwd: directory.path })
  expect({ exitCode, stderr }).toEqual({
    exitCode: 4,
    stderr: 'compozy: no gateway answers at http://127.0.0.1:9: connection refused\n',
  })
})
