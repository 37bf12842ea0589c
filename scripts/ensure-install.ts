/**
 * Installs the dependencies when they are missing or no longer those of bun.lock, and is silent
 * otherwise. Runs before everything is installed, so it may import nothing but what the runtime brings.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dir, '..')
/** Written after a complete install, so that one that was cut short is done again. */
const stampPath = join(root, 'node_modules', '.installed')

function wantedStamp(): string {
  const texts = ['package.json', 'bun.lock'].map((name) => readFileSync(join(root, name), 'utf8'))
  return new Bun.CryptoHasher('sha256').update(texts.join('\0')).digest('hex')
}

const wanted = wantedStamp()
if (!existsSync(stampPath) || readFileSync(stampPath, 'utf8') !== wanted) {
  console.error('Installing dependencies …')
  const install = Bun.spawnSync([process.execPath, 'install', '--frozen-lockfile', '--no-progress'], {
    cwd: root,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  if (install.exitCode !== 0) {
    console.error(`${install.stdout}${install.stderr}`)
    console.error('The dependencies could not be installed.')
    process.exit(1)
  }
  writeFileSync(stampPath, wanted)
}
