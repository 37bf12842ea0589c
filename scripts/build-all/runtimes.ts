/**
 * Fetches the runtimes of all platforms from the registry that this machine is set up for. The lock file
 * beside package.json holds their sums, so it does not matter which registry that is; what was fetched
 * once comes from the package cache.
 */
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ReleaseTarget } from './targets.ts'

const pinned = join(import.meta.dir, 'runtimes')

/** Installs them below `directory` and returns where each one is. */
export function fetchRuntimes(directory: string): (target: ReleaseTarget) => string {
  mkdirSync(directory, { recursive: true })
  for (const file of ['package.json', 'bun.lock']) cpSync(join(pinned, file), join(directory, file))
  const { exitCode, stderr } = Bun.spawnSync(
    [
      process.execPath,
      'install',
      '--frozen-lockfile',
      '--ignore-scripts',
      '--no-progress',
      '--os=*',
      '--cpu=*',
    ],
    { cwd: directory, stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' },
  )
  if (exitCode !== 0) throw new Error(`the runtimes could not be installed: ${stderr}`)
  return ({ runtimePackage, name }) =>
    join(directory, 'node_modules', runtimePackage, 'bin', name.startsWith('windows') ? 'bun.exe' : 'bun')
}
