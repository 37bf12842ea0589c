/**
 * A configuration that cannot be used. The message is one line for a person at a terminal: it names
 * where the value came from, what is wrong and what to write instead. Never a secret, never a stack.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  constructor(
    message: string,
    /** What the process exits with: 2 for a flag, 1 for everything that stands outside the command line. */
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message)
  }
}
