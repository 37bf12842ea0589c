/**
 * Builds the container images: `bun scripts/images.ts [--target full] [--bases registry] [--binary FOLDER]`.
 *
 * By default both targets, without daemon or registry: the bases come from Debian's packages (needs
 * root, debootstrap and buildah; scripts/ci-packages.sh images). With `--bases registry` they are those
 * that the Dockerfile names. `--binary` names a folder with the executable `compozy`, for images that hold
 * exactly that file instead of building one inside. Images land in buildah's storage below dist/images, as localhost/compozy:TARGET.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { commitOf } from './commit.ts'
import { Buildah } from './images/buildah.ts'
import { makeDebianBases } from './images/debian-bases.ts'
import { run } from './images/run.ts'

const root = resolve(import.meta.dir, '..')
export const imagesDirectory = join(root, 'dist/images')
export const targets = ['distroless', 'full'] as const
export type Target = (typeof targets)[number]

export interface ImagesOptions {
  readonly targets?: readonly Target[]
  readonly bases?: 'debian' | 'registry'
  /** A folder with the built executable `compozy`, which the images take instead of building one. */
  readonly binary?: string
}

export function tagOf(target: Target): string {
  return `localhost/compozy:${target}`
}

/** The storage that the images are in afterwards. */
export function buildImages(options: ImagesOptions = {}): Buildah {
  mkdirSync(imagesDirectory, { recursive: true })
  const buildah = new Buildah(imagesDirectory)
  const { log } = buildah
  const bases = options.bases === 'registry' ? {} : makeDebianBases(buildah, imagesDirectory, uvVersion())
  const commit = commitOf(root)
  const buildArgs = {
    ...bases,
    ...(commit !== null && { COMPOZY_COMMIT: commit.hash, SOURCE_DATE_EPOCH: commit.epochSeconds }),
  }
  for (const target of options.targets ?? targets) {
    console.log(`building ${tagOf(target)} …`)
    buildah.build({
      context: root,
      target,
      tag: tagOf(target),
      buildArgs,
      ...(options.binary !== undefined && { stages: { build: resolve(options.binary) } }),
      volumes: [`${packageCache(log)}:/root/.bun/install/cache`],
    })
  }
  return buildah
}

/** The dependencies of the build, fetched out here, so that the steps inside need no network. */
function packageCache(log: string): string {
  const cache = join(imagesDirectory, 'bun-cache')
  const place = join(imagesDirectory, 'bun-install')
  mkdirSync(place, { recursive: true })
  for (const file of ['package.json', 'bun.lock']) run(['cp', join(root, file), place], { log })
  const install = ['install', '--frozen-lockfile', '--production', '--ignore-scripts', '--cache-dir', cache]
  run([process.execPath, ...install], { cwd: place, log })
  return cache
}

/** The version in the Dockerfile. */
export function uvVersion(): string {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
  const version = /^ARG UV_BASE=\S+:([\d.]+)$/m.exec(dockerfile)?.[1]
  if (version === undefined) throw new Error('the Dockerfile names no version of uv')
  return version
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', multiple: true },
      bases: { type: 'string', default: 'debian' },
      binary: { type: 'string' },
    },
  })
  const wanted = targets.filter((target) => values.target?.includes(target) ?? true)
  if (wanted.length === 0 || !['debian', 'registry'].includes(values.bases)) {
    console.error(
      'usage: bun scripts/images.ts [--target distroless|full]… [--bases debian|registry] [--binary FOLDER]',
    )
    process.exit(2)
  }
  buildImages({
    targets: wanted,
    bases: values.bases === 'registry' ? 'registry' : 'debian',
    ...(values.binary !== undefined && { binary: values.binary }),
  })
}
