/**
 * Builds a release: `bun scripts/build-all.ts [--target NAME]…`. Executables for every platform, their
 * SHA-256 sums, a bill of materials and the licences of everything inside, all in dist/release.
 *
 * Commit and time are those of HEAD, so that the same commit gives the same files; the registry may be
 * any, since everything fetched is checked against a lock file (build-all/runtimes.ts).
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { version } from '../package.json'
import { build } from './build.ts'
import { licenceList, licencesOf } from './build-all/licences.ts'
import { lockedPackages, packagesOf } from './build-all/lock.ts'
import { fetchRuntimes } from './build-all/runtimes.ts'
import { cycloneDx } from './build-all/sbom.ts'
import { type ReleaseTarget, releaseTargets } from './build-all/targets.ts'
import { commitOf } from './commit.ts'

const root = resolve(import.meta.dir, '..')
export const releaseDirectory = join(root, 'dist/release')
export const sumsFile = 'SHA256SUMS'
export const sbomFile = 'compozy.cdx.json'
export const licencesFile = 'THIRD-PARTY-LICENSES.txt'

/** Replaces what is in dist/release. */
export async function buildAll(targets: readonly ReleaseTarget[] = releaseTargets): Promise<void> {
  const epochSeconds = process.env['SOURCE_DATE_EPOCH'] || commitOf(root)?.epochSeconds
  if (epochSeconds === undefined) throw new Error('no commit to date this release by; set SOURCE_DATE_EPOCH')
  process.env['SOURCE_DATE_EPOCH'] = epochSeconds
  const runtimeOf = fetchRuntimes(join(root, 'dist/runtimes'))
  rmSync(releaseDirectory, { recursive: true, force: true })
  mkdirSync(releaseDirectory, { recursive: true })
  const inputs = new Set<string>()
  for (const target of targets) {
    console.log(`building ${target.file} …`)
    const outfile = join(releaseDirectory, target.file)
    const went = await build({ outfile, target: target.bun, runtime: runtimeOf(target) })
    for (const path of went) inputs.add(path)
  }
  const packages = lockedPackages(readFileSync(join(root, 'bun.lock'), 'utf8'))
  const licences = licencesOf(packagesOf([...inputs], packages), root)
  const time = new Date(Number(epochSeconds) * 1000).toISOString()
  write(sbomFile, cycloneDx({ version, runtimeVersion: Bun.version, time, licences }))
  write(licencesFile, licenceList(licences, root, Bun.version))
  write(sumsFile, sums([...targets.map(({ file }) => file), sbomFile, licencesFile]))
}

function write(name: string, text: string): void {
  writeFileSync(join(releaseDirectory, name), text)
}

/** In the form that `sha256sum --check` reads. */
function sums(names: readonly string[]): string {
  return names
    .toSorted()
    .map((name) => {
      const bytes = readFileSync(join(releaseDirectory, name))
      return `${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}  ${name}\n`
    })
    .join('')
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { target: { type: 'string', multiple: true } } })
  const unknown = values.target?.find((name) => releaseTargets.every((target) => target.name !== name))
  if (unknown !== undefined) {
    console.error(`unknown target ${unknown}; known: ${releaseTargets.map(({ name }) => name).join(', ')}`)
    process.exit(2)
  }
  await buildAll(releaseTargets.filter(({ name }) => values.target?.includes(name) ?? true))
}
