/** A command line that cannot be understood. One line for a person; the process exits with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly exitCode = 2
}

/** A command that was understood and could not be carried out. One line; the process exits with 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode = 1
}
