/** Every command of the program, found the way a person finds them: by the help of the one above. */
import { runCommand } from '../cli/run-command.ts'

/** The words of each command from `words` on, that one among them. */
export async function commandsBelow(words: readonly string[], cwd: string): Promise<string[][]> {
  const { stdout } = await runCommand([...words, '--help'], { via: 'executable', cwd })
  const [, section = ''] = /\nCommands:\n((?: .*\n)+)/.exec(stdout) ?? []
  const names = section.split('\n').flatMap((line) => /^ {2}(\S+?),? /.exec(line)?.[1] ?? [])
  const below = await Promise.all(names.map((name) => commandsBelow([...words, name], cwd)))
  return [[...words], ...below.flat()]
}
