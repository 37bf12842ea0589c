/**
 * `bun scripts/commands-page.ts`: runs what docs/COMMANDS.md shows and writes into it what came out: the help of each
 * command below `<!-- help: WORDS -->`, and the output of each line `$ compozy …` in a console block, one after the
 * other against one gateway. A test fails when something else comes out.
 */
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandOf, poll, repository, startGatewayProcess } from '../test/support/gateway.ts'
import { runInTerminal } from '../test/support/pseudo-terminal.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'

const path = join(repository, 'docs/COMMANDS.md')
/** So many that where a line ends does not depend on the length of temporary paths. */
const columns = 132
const packages = join(repository, 'node_modules/@modelcontextprotocol')

/** Stands in for npx, so that nothing is downloaded. */
const npx = `#!/bin/sh
case "$2" in
  *server-everything*) exec ${process.execPath} ${packages}/server-everything/dist/index.js ;;
  *server-filesystem*) shift 2; exec ${process.execPath} ${packages}/server-filesystem/dist/index.js "$@" ;;
  *) MEMORY_FILE_PATH="$HOME/memory.jsonl" exec ${process.execPath} ${packages}/server-memory/dist/index.js ;;
esac
`

const helpBlock = /(<!-- help: ([a-z -]+) -->\n+```text\n)[^`]*(\n```)/g
const consoleBlock = /(```console\n)(\$ compozy [\s\S]*?)(\n```)/g

/** The page with what the program says today. */
export async function commandsPage(text: string): Promise<string> {
  const withHelp = await replaceEach(text, helpBlock, async ([, begin = '', words = '', end = '']) => {
    return begin + (await helpOf(words.split(' '))) + end
  })
  await using scene = await startScene()
  return await replaceEach(withHelp, consoleBlock, async ([, begin = '', lines = '', end = '']) => {
    const shown: string[] = []
    for (const line of lines.split('\n').filter((one) => one.startsWith('$ ')))
      shown.push(line, ...(await scene.run(line.slice(2))))
    return begin + shown.join('\n') + end
  })
}

/** The commands whose help is on the page. */
export function commandsOn(text: string): string[] {
  return [...text.matchAll(helpBlock)].map(([, , words = '']) => words)
}

async function replaceEach(
  text: string,
  pattern: RegExp,
  made: (match: RegExpMatchArray) => Promise<string>,
): Promise<string> {
  let page = ''
  let at = 0
  for (const match of text.matchAll(pattern)) {
    page += text.slice(at, match.index) + (await made(match))
    at = match.index + match[0].length
  }
  return page + text.slice(at)
}

/** Without the flags that every command has: the page has them once. */
async function helpOf(words: readonly string[]): Promise<string> {
  using folder = temporaryDirectory()
  const { output } = await runInTerminal([...commandOf('executable'), ...words, '--help'], {
    cwd: folder.path,
    columns: 80,
  })
  const shared =
    words[0] === 'mcp-proxy' ? null : /\n {2}--(?:url <url>|mcp-host <host>)[\s\S]*?(?=\n {2}-h, )/
  return shared === null ? output.trimEnd() : output.replace(shared, '').trimEnd()
}

interface Scene extends AsyncDisposable {
  /** Runs one line of a shell; resolves with the lines that it writes, as they would be at a reader's. */
  run(line: string): Promise<string[]>
}

async function startScene(): Promise<Scene> {
  const folder = temporaryDirectory({
    'bin/npx': npx,
    'project/notes.txt': 'hello\n',
    '.local/state/compozy/definitions.sqlite': '',
  })
  chmodSync(join(folder.path, 'bin/npx'), 0o755)
  const [executable = ''] = commandOf('executable')
  symlinkSync(executable, join(folder.path, 'bin/compozy'))
  const project = join(folder.path, 'project')
  mkdirSync(join(project, '.cursor'))
  cpSync(join(repository, 'examples/clients/mcpServers.json'), join(project, '.cursor/mcp.json'))
  const env = { PATH: `${folder.path}/bin:${process.env['PATH'] ?? ''}`, NO_COLOR: '1' }
  const gateway = await startGatewayProcess({
    via: 'executable',
    path: env.PATH,
    config: {
      mcps: [
        {
          name: 'everything',
          description: 'Every feature of the protocol, for trying things out',
          transport: 'stdio',
          command: 'npx',
          args: ['-y', '@modelcontextprotocol/server-everything'],
        },
      ],
    },
  })
  const { port } = new URL(gateway.url)
  writeFileSync(join(project, 'compozy.yaml'), `mcp_proxy: { port: ${port} }\n`)
  await poll('the health of the gateway', async () => (await fetch(`${gateway.url}/healthz`)).ok)
  const asRead = (line: string) =>
    line
      .replaceAll(folder.path, '/home/me')
      .replaceAll(`:${port}`, ':6001')
      .replaceAll(/\b(for|connected|error|disabled)( +)\d+[smh]\b/g, (_all, word, gap) => `${word}${gap}2m`)
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '2026-11-30T10:00:00.000Z')
      .replaceAll(/\b\d+(?:\.\d+)? ms on average/g, '2.4 ms on average')
      .replace(/^(FACE .*MS) +RESULT$/, '$1  RESULT')
      .replace(/^((?:stream|sse) .* )\d+ +ok$/, (_all, before) => `${before}12  ok`)
      .trimEnd()
  return {
    async run(line) {
      const { output } = await runInTerminal(['sh', '-c', line], {
        cwd: project,
        columns,
        env: { ...env, HOME: folder.path },
      })
      return output === '' ? [] : output.replace(/\n$/, '').split('\n').map(asRead)
    },
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      folder[Symbol.dispose]()
    },
  }
}

if (import.meta.main) {
  await Bun.write(path, await commandsPage(await Bun.file(path).text()))
  process.exit(0)
}
