import { accessSync, constants, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Environment } from './expand.ts'

/** Where packages and images keep state; only theirs if somebody made it for us. */
const SYSTEM_DIRECTORY = '/var/lib/compozy'

/** `/var/lib/compozy` when it is there and writable, else the place of the XDG base directories. */
export function stateDirectory(environment: Environment, systemDirectory: string = SYSTEM_DIRECTORY): string {
  if (isWritableDirectory(systemDirectory)) return systemDirectory
  const state = environment['XDG_STATE_HOME'] ?? ''
  // The XDG specification has relative paths ignored.
  if (isAbsolute(state)) return join(state, 'compozy')
  return join(environment['HOME'] || homedir(), '.local', 'state', 'compozy')
}

function isWritableDirectory(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
