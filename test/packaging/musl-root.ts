/**
 * A root directory with musl and nothing else, made of packages: musl of Debian trixie (that of bookworm
 * cannot load libraries with packed relocations), and the C++ library that a musllinux wheel carries.
 */
import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../scripts/images/run.ts'

/** Any wheel would do that is built with C++. */
const wheel = 'kiwisolver==1.5.1'

/** Fills `root`. Needs apt and pip; throws with their words when they cannot get the packages. */
export function makeMuslRoot(root: string, work: string): void {
  const log = join(work, 'musl.log')
  for (const folder of ['lib', 'usr/lib', 'proc', 'dev', 'tmp'])
    mkdirSync(join(root, folder), { recursive: true })
  const apt = aptOf(work, log)
  run([...apt, 'update'], { log })
  run([...apt, 'download', 'musl'], { log, cwd: work })
  const deb = readdirSync(work).find((name) => name.endsWith('.deb')) ?? ''
  run(['dpkg-deb', '-x', join(work, deb), join(work, 'musl')], { log })
  copyFileSync(join(work, 'musl/usr/lib/x86_64-linux-musl/libc.so'), join(root, 'lib/ld-musl-x86_64.so.1'))
  chmodSync(join(root, 'lib/ld-musl-x86_64.so.1'), 0o755)

  const platform = [
    '--only-binary',
    ':all:',
    '--platform',
    'musllinux_1_2_x86_64',
    '--python-version',
    '3.12',
  ]
  const pip = ['python3', '-m', 'pip', 'download', '--quiet', '--no-deps', ...platform, '--dest', work, wheel]
  run(pip, { log })
  const archive = readdirSync(work).find((name) => name.endsWith('.whl')) ?? ''
  run(['python3', '-m', 'zipfile', '-e', join(work, archive), join(work, 'wheel')], { log })
  const libraries = join(work, 'wheel', `${wheel.split('=')[0]}.libs`)
  for (const name of readdirSync(libraries)) {
    const known = name.startsWith('libstdc++') ? 'libstdc++.so.6' : name
    copyFileSync(join(libraries, name), join(root, 'usr/lib', known))
  }
}

/** apt with a source and a state of its own; the machine's is not touched. */
function aptOf(work: string, log: string): string[] {
  const sources = join(work, 'sources.list')
  const lists = join(work, 'lists')
  const cache = join(work, 'cache')
  for (const folder of [lists, cache]) {
    mkdirSync(join(folder, 'partial'), { recursive: true })
    mkdirSync(join(folder, 'archives/partial'), { recursive: true })
  }
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  writeFileSync(sources, `deb [signed-by=${keyring}] ${mirror(log)} trixie main\n`)
  return [
    'apt-get',
    ...['-qq', '-o', `Dir::Etc::sourcelist=${sources}`, '-o', 'Dir::Etc::sourceparts=-'],
    ...['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${cache}`, '-o', 'APT::Sandbox::User=root'],
  ]
}

/** Where this machine has its own packages from. */
function mirror(log: string): string {
  const known = run(['apt-get', 'indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'], { log })
  const found = known.split('\n').find((uri) => /\/debian\/?$/.test(uri))
  if (found === undefined) throw new Error('this machine has no source of Debian packages')
  return found
}
