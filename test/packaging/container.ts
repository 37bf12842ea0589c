/**
 * Runs an image as a container without a daemon: an OCI runtime on the root directory that buildah
 * mounts. Namespaces of its own, read-only root, the image's own user, no capability, no new
 * privileges; each volume of the image is a small memory file system that belongs to this user.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ImageConfig } from '../../scripts/images/buildah.ts'
import { poll } from '../support/gateway.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'

export interface ContainerOptions {
  readonly config: ImageConfig
  /** The root directory, never written to. */
  readonly root: string
  /** Where bundle and state of the runtime go. */
  readonly directory: string
  /** Instead of the image's entry point and command. */
  readonly command?: readonly string[]
  /** Added to the image's variables. */
  readonly env?: readonly string[]
  /** Joined instead of a network of its own. */
  readonly network?: string
}

export interface Container extends AsyncDisposable {
  readonly process: RunningProcess
  /** Of its first process, as the machine sees it. */
  readonly pid: number
  /** Runs a further command inside. */
  exec(command: readonly string[]): { exitCode: number; output: string }
}

/**
 * Gives the runtime a uniform cgroup tree in a mount namespace of its own, because it knows none of the
 * mixed ones; it does not limit anything here.
 */
const inUniformCgroups = [
  ...['unshare', '--mount', 'sh', '-c'],
  'umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec "$@"',
  'sh',
]

let count = 0

/** Starts it and resolves once its first process is there. */
export async function startContainer(options: ContainerOptions): Promise<Container> {
  const id = `compozy-${process.pid}-${++count}`
  const bundle = join(options.directory, id)
  mkdirSync(bundle, { recursive: true })
  writeFileSync(join(bundle, 'hosts'), '127.0.0.1 localhost\n::1 localhost\n')
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(runtimeConfig(options, bundle)))
  const crun = [
    ...inUniformCgroups,
    ...['crun', '--cgroup-manager=disabled', '--root', join(options.directory, 'state')],
  ]
  const pidFile = join(bundle, 'pid')
  const running = startProcess({
    command: [...crun, 'run', '--bundle', bundle, '--pid-file', pidFile, id],
  })
  let pid = 0
  await poll('the container to start', async () => {
    pid = Number(
      await Bun.file(pidFile)
        .text()
        .catch(() => ''),
    )
    return pid > 0
  }).catch((reason: unknown) => {
    throw new Error(`${String(reason)}\n${running.lines().join('\n')}`)
  })
  return {
    process: running,
    pid,
    exec: (command) => {
      const { exitCode, stdout, stderr } = Bun.spawnSync([
        ...crun,
        'exec',
        '--user',
        options.config.User,
        id,
        ...command,
      ])
      return { exitCode, output: `${stdout}${stderr}` }
    },
    [Symbol.asyncDispose]: async () => {
      // Its end takes the rest of the container with it.
      if (isThere(pid)) process.kill(pid, 'SIGKILL')
      await running.exited
    },
  }
}

function runtimeConfig({ config, root, command, env, network }: ContainerOptions, bundle: string): unknown {
  const [uid, gid] = config.User.split(':').map(Number)
  const memory = (destination: string, ...options: readonly string[]) => ({
    destination,
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'nodev', ...options],
  })
  const none: readonly string[] = []
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid, gid },
      args: command ?? [...config.Entrypoint, ...config.Cmd],
      env: [...config.Env, ...(env ?? [])],
      cwd: config.WorkingDir,
      capabilities: { bounding: none, effective: none, permitted: none, inheritable: none, ambient: none },
      noNewPrivileges: true,
    },
    root: { path: root, readonly: true },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755'] },
      memory('/tmp', 'mode=1777'),
      // As every runtime does.
      { destination: '/etc/hosts', type: 'bind', source: join(bundle, 'hosts'), options: ['bind', 'ro'] },
      ...Object.keys(config.Volumes).map((path) => memory(path, 'mode=0700', `uid=${uid}`, `gid=${gid}`)),
    ],
    linux: {
      namespaces: [
        ...['pid', 'mount', 'ipc', 'uts'].map((type) => ({ type })),
        { type: 'network', ...(network !== undefined && { path: network }) },
      ],
    },
  }
}

export function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export interface ProcessState {
  readonly name: string
  /** `Z` is one that ended and that nobody reaped. */
  readonly state: string
}

/** The process and everything below it. Orphans of a container are below its first process. */
export function processTree(pid: number): ProcessState[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, 'utf8')
        const field = (label: string) => new RegExp(`^${label}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? ''
        return [
          { pid: Number(name), parent: Number(field('PPid')), name: field('Name'), state: field('State') },
        ]
      } catch {
        // Ended meanwhile.
        return []
      }
    })
  const found = all.filter((one) => one.pid === pid)
  for (const one of found) found.push(...all.filter(({ parent }) => parent === one.pid))
  return found.map(({ name, state }) => ({ name, state }))
}
