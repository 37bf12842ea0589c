/** Two gateways that people use today, from npm, under Node as they are meant to run. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { freePort, type Started, start } from '../child-process.ts'
import type { Endpoint } from '../load/mcp-request.ts'
import { echoCommand } from './echo-servers.ts'
import { Once, type Place, type Subject, type SubjectName } from './subject.ts'

const folder = resolve(import.meta.dir, '../peers')

/** Installs the peers when they are missing. Throws with the installer's words when that fails. */
export function installPeers(): void {
  if (
    existsSync(join(folder, 'node_modules/supergateway')) &&
    existsSync(join(folder, 'node_modules/mcp-proxy'))
  )
    return
  console.error('Installing the peers …')
  const install = Bun.spawnSync([process.execPath, 'install', '--frozen-lockfile', '--no-progress'], {
    cwd: folder,
    stdout: 'pipe',
    stderr: 'pipe',
  })
  if (install.exitCode !== 0)
    throw new Error(`the peers could not be installed: ${install.stdout}${install.stderr}`)
}

interface Peer {
  readonly name: SubjectName
  readonly script: string
  readonly paths: Readonly<Record<Endpoint['face'], string>>
  /** Faces that one process serves together. */
  readonly together: boolean
  args(port: number, face: Endpoint['face']): readonly string[]
}

const peers: readonly Peer[] = [
  {
    name: 'supergateway',
    script: 'supergateway/dist/index.js',
    paths: { stream: '/mcp', sse: '/sse' },
    together: false,
    args: (port, face) => [
      '--stdio',
      echoCommand('legacy').join(' '),
      '--port',
      String(port),
      '--logLevel',
      'none',
      ...(face === 'sse'
        ? ['--outputTransport', 'sse']
        : ['--outputTransport', 'streamableHttp', '--stateful']),
    ],
  },
  {
    name: 'mcp-proxy',
    script: 'mcp-proxy/dist/bin/mcp-proxy.mjs',
    paths: { stream: '/mcp', sse: '/sse' },
    together: true,
    args: (port) => ['--host', '127.0.0.1', '--port', String(port), '--', ...echoCommand('legacy')],
  },
]

export function peerSubjects(directory: string): readonly Subject[] {
  return peers.map((peer) => peerSubject(peer, directory))
}

function peerSubject(peer: Peer, directory: string): Subject {
  const running = new Once<{ readonly process: Started; readonly port: number }>()
  return {
    name: peer.name,
    async place(upstream, face): Promise<Place | null> {
      if (upstream !== 'stdio') return null
      const { port, process } = await running.get(peer.together ? '' : face, async () => {
        installPeers()
        const port = freePort()
        const started = start({
          command: ['node', join(folder, 'node_modules', peer.script), ...peer.args(port, face)],
          directory,
          name: `${peer.name}-${face}`,
        })
        await untilListening(port, started)
        return { process: started, port }
      })
      return { url: `http://127.0.0.1:${port}${peer.paths[face]}`, face, token: null, pid: process.pid }
    },
    async stop() {
      for (const { process } of await running.all()) await process.stop()
    },
  }
}

async function untilListening(port: number, started: Started): Promise<void> {
  let over = false
  void started.exited.then(() => {
    over = true
  })
  for (let tries = 0; tries < 600 && !over; tries++) {
    try {
      const socket = await Bun.connect({ hostname: '127.0.0.1', port, socket: { data() {} } })
      socket.end()
      return
    } catch {
      await Bun.sleep(50)
    }
  }
  throw new Error(`${started.outPath}: nobody listens on port ${port}`)
}
