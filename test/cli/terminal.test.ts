/** Every command in a real pseudo-terminal, narrow and wide, in a pipe, and for those who want no colours. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { table } from '../../src/cli/table.ts'
import { terminalOf } from '../../src/cli/terminal/terminal.ts'
import { columnsOf, cutTo, wrapTo } from '../../src/cli/terminal/text.ts'
import { ageText, sizeText } from '../../src/cli/terminal/units.ts'
import { commandsBelow } from '../support/command-tree.ts'
import { commandOf, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { runInTerminal } from '../support/pseudo-terminal.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { runCommand } from './run-command.ts'

const via = 'executable'
const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const escapeCode = '\u001b'
/** Of what is shown; the terminal breaks the lines of errors by itself. */
const longest = (text: string) => {
  const shown = Bun.stripANSI(text)
    .split('\n')
    .filter((line) => !line.startsWith('compozy: '))
  return Math.max(...shown.map(columnsOf))
}

describe('the help of every command', () => {
  test('fits 80 columns, and makes use of more; in a pipe as well', async () => {
    using folder = temporaryDirectory()
    const cwd = folder.path
    const commands = await commandsBelow([], cwd)
    expect(commands.length).toBeGreaterThan(25)
    const look = async (words: readonly string[]) => {
      const args = [...words, '--help']
      const [narrow, wide, piped] = await Promise.all([
        runInTerminal([...commandOf(via), ...args], { cwd, columns: 80 }),
        runInTerminal([...commandOf(via), ...args], { cwd, columns: 160 }),
        runCommand(args, { via, cwd }),
      ])
      const name = words.join(' ')
      expect([name, narrow.exitCode, wide.exitCode, piped.exitCode]).toEqual([name, 0, 0, 0])
      expect([name, longest(narrow.output) <= 80, longest(wide.output) <= 100]).toEqual([name, true, true])
      expect(piped.stdout).toBe(narrow.output)
      expect([name, narrow.output.includes(escapeCode)]).toEqual([name, false])
    }
    const left = commands.values()
    const lookAtAll = async () => {
      for (const words of left) await look(words)
    }
    await Promise.all([lookAtAll(), lookAtAll(), lookAtAll()])
  }, 60_000)

  test('fits a window that is narrower still', async () => {
    using folder = temporaryDirectory()
    const command = [...commandOf(via), 'servers', 'add', '--help']
    const { output } = await runInTerminal(command, { cwd: folder.path, columns: 50 })
    expect(longest(output)).toBeLessThanOrEqual(50)
  })
})

describe('lists of a gateway', () => {
  const reason = 'the reason is a long one, and has a word at its very end that must be seen: lastword'
  let gateway: RunningGateway
  beforeAll(async () => {
    gateway = await startGatewayProcess({
      via,
      config: {
        mcps: [
          {
            name: 'a-server-with-a-rather-long-name-for-a-table',
            transport: 'stdio',
            command: process.execPath,
            args: [rawServer],
          },
          {
            name: 'dies',
            transport: 'stdio',
            command: 'sh',
            args: ['-c', `echo "Error: ${reason}" >&2; exit 1`],
          },
        ],
      },
    })
  })
  afterAll(() => gateway?.stop())

  const words = (...args: readonly string[]) => [...args, '--url', gateway.url, '--token', 'any']
  const seen = (args: readonly string[], columns: number, env: Record<string, string> = {}) =>
    runInTerminal([...commandOf(via), ...words(...args)], { cwd: gateway.directory, columns, env })

  const lists = [
    ['servers', 'list'],
    ['servers', 'get', 'dies'],
    ['servers', 'tools'],
    ['servers', 'try', 'dies'],
    ['doctor'],
  ]

  test.concurrent.each(lists.map((args) => ({ args, name: args.join(' ') })))(
    '$name fits the width, and keeps to it',
    async ({ args }) => {
      for (const columns of [80, 160]) {
        const { output } = await seen(args, columns)
        expect([columns, longest(output) <= columns]).toEqual([columns, true])
        // A reason is broken over lines, never cut.
        if (!args.includes('tools')) expect(output.replaceAll(/\s+/g, ' ')).toContain('lastword')
      }
    },
  )

  test.concurrent.each([
    { why: 'a terminal has colours', env: {}, coloured: true },
    { why: 'NO_COLOR takes them away', env: { NO_COLOR: '1' }, coloured: false },
    { why: 'an empty NO_COLOR does not', env: { NO_COLOR: '' }, coloured: true },
    { why: 'TERM=dumb has none', env: { TERM: 'dumb' }, coloured: false },
  ])('$why', async ({ env, coloured }) => {
    for (const args of [...lists, ['servers', 'remove', 'nope']]) {
      const { output } = await seen(args, 120, env)
      const plain = args.includes('remove') || args.includes('tools') || args.includes('try')
      if (!coloured || args.includes('remove'))
        expect([args, output.includes(escapeCode)]).toEqual([args, false])
      else if (!plain) expect([args, output.includes(escapeCode)]).toEqual([args, true])
    }
  })

  test.concurrent('in a pipe nothing is cut, and nothing is coloured', async () => {
    for (const args of lists) {
      const { stdout } = await runCommand(words(...args), { via, cwd: gateway.directory })
      expect([args, ['…', escapeCode].some((sign) => stdout.includes(sign))]).toEqual([args, false])
    }
    const { stdout } = await runCommand(words('servers', 'list'), { via, cwd: gateway.directory })
    expect(stdout.split('\n').find((line) => line.startsWith('dies '))).toEndWith('lastword')
  })
})

describe('a terminal', () => {
  const terminal = { isTTY: true, columns: 120 }
  test.each([
    { why: 'is as wide as it says', stream: terminal, env: { TERM: 'xterm' }, columns: 120, colours: true },
    {
      why: 'without a width has that of COLUMNS',
      stream: { isTTY: true, columns: 0 },
      env: { TERM: 'xterm', COLUMNS: '132' },
      columns: 132,
      colours: true,
    },
    {
      why: 'or the usual one',
      stream: { isTTY: true },
      env: { TERM: 'xterm', COLUMNS: 'wide' },
      columns: 80,
      colours: true,
    },
    { why: 'of no kind shows no colours', stream: terminal, env: {}, columns: 120, colours: false },
    {
      why: 'is no pipe, whatever COLUMNS says',
      stream: {},
      env: { TERM: 'xterm', COLUMNS: '90' },
      columns: null,
      colours: false,
    },
  ])('$why', ({ stream, env, columns, colours }) => {
    const { columns: found, colours: coloured } = terminalOf(stream, env)
    expect([found, coloured]).toEqual([columns, colours])
  })
})

describe('texts in columns', () => {
  test.each([
    { why: 'fits', text: 'short', columns: 5, cut: 'short' },
    { why: 'is cut to the width, the ellipsis included', text: 'longer', columns: 5, cut: 'long…' },
    { why: 'has characters that take two', text: '漢字漢字', columns: 5, cut: '漢字…' },
    { why: 'is cut between characters, not inside', text: '👩‍👩‍👧‍👦👩‍👩‍👧‍👦', columns: 3, cut: '👩‍👩‍👧‍👦…' },
    { why: 'has no room', text: 'abc', columns: 1, cut: '…' },
  ])('a text that $why', ({ text, columns, cut }) => {
    expect(cutTo(text, columns)).toBe(cut)
    expect(columnsOf(cutTo(text, columns))).toBeLessThanOrEqual(columns)
  })

  test.each([
    { why: 'between words', text: 'one two three', lines: ['one two', 'three'] },
    {
      why: 'inside a word that is too long',
      text: 'a-very-long-word x',
      lines: ['a-very-l', 'ong-word', 'x'],
    },
    { why: 'where it had lines', text: 'one\ntwo', lines: ['one', 'two'] },
    { why: 'and keeps what it was indented by', text: '  ab cdefgh', lines: ['  ab', '  cdefgh'] },
    { why: 'nowhere when it is empty', text: '', lines: [''] },
  ])('a text is broken $why', ({ text, lines }) => {
    expect(wrapTo(text, 8)).toEqual([...lines])
  })

  test('a table takes from its widest column first', () => {
    const terminal = { columns: 30, colours: false, redraws: false }
    const rows = [['short', 'a cell that is far too long for this']]
    expect(table(['A', 'B'], rows, { terminal })).toBe('A      B\nshort  a cell that is far too…')
    expect(table(['A', 'B'], rows, { terminal, sentence: true })).toBe(
      'A\nshort\n    a cell that is far too\n    long for this',
    )
    expect(table(['A', 'B'], rows, { terminal: { ...terminal, columns: 47 }, sentence: true })).toBe(
      'A      B\nshort  a cell that is far too long for this',
    )
    const long = [['x', `${'word '.repeat(8)}end`]]
    expect(table(['A', 'B'], long, { terminal: { ...terminal, columns: 43 }, sentence: true })).toBe(
      'A  B\nx  word word word word word word word word\n   end',
    )
    expect(table(['A', 'B'], rows, { terminal: { ...terminal, columns: null } })).toBe(
      'A      B\nshort  a cell that is far too long for this',
    )
  })

  test.each([
    [0, '0s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [7_200_000, '2h'],
    [200_000_000, '2d'],
    [-5, '0s'],
  ])('%d ms are %s', (ms, text) => expect(ageText(ms)).toBe(text))

  test.each([
    [1, '1 byte'],
    [1023, '1023 bytes'],
    [12_595, '12.3 KiB'],
    [4 * 1024 * 1024, '4.0 MiB'],
  ])('%d bytes are %s', (bytes, text) => expect(sizeText(bytes)).toBe(text))
})
