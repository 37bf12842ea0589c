/** A program in a real pseudo-terminal of a given width, as a person at a keyboard has it. */

export interface TerminalOptions {
  readonly cwd: string
  /** Nothing else is in its environment; `TERM` is `xterm-256color` unless it says otherwise. */
  readonly env?: Readonly<Record<string, string>>
  readonly columns: number
  readonly rows?: number
}

export interface Seen {
  readonly exitCode: number
  /** Everything written, standard output and error together, line ends as a program writes them. */
  readonly output: string
}

export interface TerminalProcess {
  /** What was written so far. */
  output(): string
  /** Types these characters; `\u0003` is Ctrl+C. */
  type(characters: string): void
  readonly exited: Promise<Seen>
}

export function startInTerminal(command: readonly string[], options: TerminalOptions): TerminalProcess {
  const decoder = new TextDecoder()
  let output = ''
  const child = Bun.spawn([...command], {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: options.cwd, TERM: 'xterm-256color', ...options.env },
    terminal: {
      cols: options.columns,
      rows: options.rows ?? 50,
      data(_terminal, bytes) {
        output += decoder.decode(bytes, { stream: true })
      },
    },
  })
  return {
    output: () => output.replaceAll('\r\n', '\n'),
    type: (characters) => void child.terminal?.write(characters),
    exited: (async () => {
      const exitCode = await child.exited
      // What the kernel still holds of the other end.
      await Bun.sleep(20)
      child.terminal?.close()
      return { exitCode, output: output.replaceAll('\r\n', '\n') }
    })(),
  }
}

/** Runs it to its end. */
export function runInTerminal(command: readonly string[], options: TerminalOptions): Promise<Seen> {
  return startInTerminal(command, options).exited
}
