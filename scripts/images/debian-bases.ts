/**
 * The base images of the Dockerfile, made from Debian's packages and without a registry. They stand in
 * for the published ones where those cannot be had, and show that the Dockerfile asks nothing of its
 * bases but what they promise.
 */
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Buildah } from './buildah.ts'
import { run } from './run.ts'

const RELEASE = 'bookworm'
/** The user of the images: the number that distroless gave to `nonroot`. */
const NONROOT = 65_532

/** What `base-debian12` is made of. */
const distrolessPackages = ['base-files', 'ca-certificates', 'libc6', 'netbase', 'tzdata']
/** Beside the minimal system: what the stages find already there, so that they install nothing. */
const debianPackages = ['ca-certificates', 'git', 'nodejs', 'npm', 'python3', 'python3-venv', 'tini', 'wget']

/** Traces of the machine that made it: its package source, its name server, its name, its logs. */
const machineTraces = [
  'etc/apt/sources.list',
  'etc/hostname',
  'etc/resolv.conf',
  'etc/machine-id',
  'var/cache/apt',
  'var/lib/apt/lists',
  'var/log',
]

/** The tag of a base: of what it is made, so that another recipe does not find the base of the old one. */
export function baseTag(base: string, uvVersion: string): string {
  return `localhost/compozy-base/${base}:${recipeOf(distrolessPackages, debianPackages, Bun.version, uvVersion)}`
}

function recipeOf(...parts: readonly unknown[]): string {
  const text = JSON.stringify([RELEASE, ...parts])
  return new Bun.CryptoHasher('sha256').update(text).digest('hex').slice(0, 12)
}

/** Makes what is missing and returns the build arguments that select these bases. Needs root. */
export function makeDebianBases(
  buildah: Buildah,
  directory: string,
  uvVersion: string,
): Record<string, string> {
  const name = (base: string) => baseTag(base, uvVersion)
  const make = (base: string, fill: (root: string) => void): string => {
    if (!buildah.exists(name(base))) {
      console.log(`making the base image "${base}" …`)
      buildah.imageFrom(name(base), fill)
    }
    return name(base)
  }
  const { log } = buildah
  const debian = (root: string) => debianRoot(root, directory, log)
  return {
    TINI_BASE: make('debian', debian),
    FULL_BASE: name('debian'),
    BUILD_BASE: make('bun', (root) => {
      debian(root)
      copyFileSync(process.execPath, join(root, 'usr/local/bin/bun'))
    }),
    UV_BASE: make('uv', (root) => uvRoot(root, uvVersion, log)),
    DISTROLESS_BASE: make('distroless', (root) => distrolessRoot(root, log)),
  }
}

/** Made once and unpacked from then on. */
function debianRoot(root: string, directory: string, log: string): void {
  const archive = join(directory, `debian-${recipeOf(debianPackages)}.tar`)
  if (!existsSync(archive)) {
    const made = mkdtempSync(join(directory, 'debootstrap-'))
    try {
      run(['debootstrap', '--variant=minbase', RELEASE, made], { log })
      const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...debianPackages]
      run(['chroot', made, ...install], { log, env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' } })
      for (const trace of machineTraces) rmSync(join(made, trace), { recursive: true, force: true })
      run(['tar', '-C', made, '-cf', `${archive}.new`, '.'], { log })
      renameSync(`${archive}.new`, archive)
    } finally {
      rmSync(made, { recursive: true })
    }
  }
  run(['tar', '-C', root, '-xf', archive], { log })
}

function distrolessRoot(root: string, log: string): void {
  const debs = mkdtempSync(join(tmpdir(), 'compozy-debs-'))
  // apt drops to its own user, which must be able to write here.
  chmodSync(debs, 0o777)
  try {
    run(['apt-get', 'download', ...distrolessPackages], { cwd: debs, log })
    for (const deb of readdirSync(debs)) run(['dpkg-deb', '-x', join(debs, deb), root], { log })
  } finally {
    rmSync(debs, { recursive: true })
  }
  const bundle = join(root, 'etc/ssl/certs/ca-certificates.crt')
  const authorities = join(root, 'usr/share/ca-certificates/mozilla')
  mkdirSync(join(root, 'etc/ssl/certs'), { recursive: true })
  writeFileSync(bundle, '')
  for (const file of readdirSync(authorities).sort())
    appendFileSync(bundle, readFileSync(join(authorities, file)))
  writeFileSync(
    join(root, 'etc/passwd'),
    `root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:${NONROOT}:${NONROOT}:nonroot:/home/nonroot:/sbin/nologin\n`,
  )
  writeFileSync(join(root, 'etc/group'), `root:x:0:\nnonroot:x:${NONROOT}:\n`)
  mkdirSync(join(root, 'home/nonroot'), { recursive: true })
  chownSync(join(root, 'home/nonroot'), NONROOT, NONROOT)
  mkdirSync(join(root, 'tmp'), { recursive: true })
  chmodSync(join(root, 'tmp'), 0o1777)
}

/** The image of uv holds two files; the wheel on PyPI holds the same two. */
function uvRoot(root: string, version: string, log: string): void {
  const wheels = mkdtempSync(join(tmpdir(), 'compozy-uv-'))
  try {
    run(['python3', '-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', wheels, `uv==${version}`], {
      log,
    })
    const wheel = readdirSync(wheels)[0] ?? ''
    run(['python3', '-m', 'zipfile', '-e', join(wheels, wheel), wheels], { log })
    for (const name of ['uv', 'uvx']) {
      copyFileSync(join(wheels, `uv-${version}.data/scripts/${name}`), join(root, name))
      chmodSync(join(root, name), 0o755)
    }
  } finally {
    rmSync(wheels, { recursive: true })
  }
}
