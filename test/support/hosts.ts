/**
 * Hosts of their own for processes: network namespaces on one bridge, between which packets can be dropped without a
 * word. Takes root and `ip`.
 */

export interface Hosts extends Disposable {
  /** Of the test, which all hosts reach. */
  readonly own: string
  readonly hosts: readonly Host[]
  /** Neither of the two hears anything from the other any more; both are there for everybody else. */
  part(one: Host, other: Host): void
  /** Undoes that. */
  meet(one: Host, other: Host): void
}

export interface Host {
  readonly address: string
  /** What a command line begins with whose process runs there. */
  readonly within: readonly string[]
  /** Whatever is sent to it or by it is dropped from now on, and nobody is told. */
  cut(): void
  /** Undoes that. */
  join(): void
}

/** Whether this machine gives namespaces to who runs the test. */
export function hasHosts(): boolean {
  if (process.getuid?.() !== 0 || Bun.which('ip') === null) return false
  return Bun.spawnSync(['unshare', '--net', 'true']).exitCode === 0
}

/** Nobody has it: what is sent there is flooded, and taken by none. */
const nobody = '02:00:00:00:00:fe'

export function startHosts(count: number): Hosts {
  const name = `cz${process.pid.toString(36)}`
  const bridge = `${name}b`
  // Of the range for measurements between networks.
  const network = `198.18.${process.pid % 256}`
  const own = `${network}.254`
  ip('link', 'add', bridge, 'type', 'bridge')
  ip('address', 'add', `${own}/24`, 'dev', bridge)
  ip('link', 'set', bridge, 'up')
  const hosts = Array.from({ length: count }, (_, at): Host & { readonly space: string } => {
    const [space, outer, address] = [`${name}n${at}`, `${name}v${at}`, `${network}.${at + 1}`]
    ip('netns', 'add', space)
    ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space)
    ip('link', 'set', outer, 'master', bridge, 'up')
    ip('-n', space, 'address', 'add', `${address}/24`, 'dev', 'eth0')
    ip('-n', space, 'link', 'set', 'eth0', 'up')
    ip('-n', space, 'link', 'set', 'lo', 'up')
    return {
      ...{ space, address, within: ['ip', 'netns', 'exec', space] },
      cut: () => ip('link', 'set', outer, 'nomaster'),
      join: () => ip('link', 'set', outer, 'master', bridge),
    }
  })
  const pairs = (one: Host, other: Host): [string, string][] =>
    hosts.flatMap(({ space, address }) =>
      address === one.address
        ? [[space, other.address]]
        : address === other.address
          ? [[space, one.address]]
          : [],
    )
  return {
    own,
    hosts,
    part(one, other) {
      for (const [space, address] of pairs(one, other))
        ip('-n', space, 'neighbour', 'replace', address, 'lladdr', nobody, 'dev', 'eth0', 'nud', 'permanent')
    },
    meet(one, other) {
      for (const [space, address] of pairs(one, other))
        ip('-n', space, 'neighbour', 'delete', address, 'dev', 'eth0')
    },
    [Symbol.dispose]() {
      for (const { space } of hosts) ip('netns', 'delete', space)
      ip('link', 'delete', bridge)
    },
  }
}

function ip(...words: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(['ip', ...words])
  if (exitCode !== 0) throw new Error(`ip ${words.join(' ')}: ${stderr.toString()}`)
}
