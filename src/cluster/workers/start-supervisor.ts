/** Opens what the workers of a gateway have in common, and starts them. Loaded where there are several. */
import { fstatSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { version } from '../../../package.json'
import { tryListening } from '../../http/binding.ts'
import { lockState } from '../../registry/storage/state-lock.ts'
import { FileWatch } from '../../reload/file-watch.ts'
import type { ConfigurationSource } from '../../reload/reload.ts'
import { hiddenCommands, selfCommand } from '../../runtime/self-command.ts'
import { createLog } from '../../telemetry/pino.ts'
import { Supervisor } from './supervisor.ts'
import { workerCount } from './worker-count.ts'

/** How often the files of the log and of the configuration are looked at. */
const lookEveryMs = 250

/**
 * Resolves when all workers serve; `given` are the arguments that they read their flags from. Rejects as a gateway of
 * one process would.
 */
export async function startSupervisor(
  source: ConfigurationSource,
  given: readonly string[],
): Promise<Supervisor> {
  const { config } = source
  const log = await createLog(config.logging)
  const { type, path } = config.storage
  const lock = type === 'memory' ? null : lockState(path, version)
  let runDirectory: string | null = null
  try {
    const port = await tryListening(config.host, config.port)
    runDirectory = makeRunDirectory(process.env)
    const watch = config.reload === 'watch' ? new FileWatch(() => source.files, reload) : null
    const supervisor = new Supervisor({
      source,
      workers: workerCount(config.workers),
      port,
      runDirectory,
      lock,
      log,
      writesOutput: isFile(1),
      command: selfCommand(hiddenCommands.worker, ...given),
      environment: process.env,
    })
    await watch?.note()
    await supervisor.start()
    const timer = setInterval(() => {
      log.sweep(performance.now())
      watch?.sweep(performance.now())
    }, lookEveryMs)
    void supervisor.stopped.then(() => clearInterval(timer))
    return supervisor
    function reload(): void {
      void supervisor.reload({ shown: 'reload: watch', deliberate: false }).catch(() => {})
    }
  } catch (thrown) {
    if (runDirectory !== null) rmSync(runDirectory, { recursive: true, force: true })
    lock?.release()
    throw thrown
  }
}

/** The path of a socket may have 107 bytes, and stands below the directory. */
const pathBytesMax = 80

/**
 * Where the workers of this run meet: sockets, and what they count together. Nobody but this user may look into it. In memory where there is such a place: a container's own disk may be read-only. Throws an Error of one clear sentence.
 */
function makeRunDirectory(environment: NodeJS.ProcessEnv): string {
  const places = [
    environment['XDG_RUNTIME_DIR'],
    process.platform === 'linux' ? '/dev/shm' : undefined,
    tmpdir(),
  ]
  for (const place of places) {
    if (place === undefined || place === '' || Buffer.byteLength(place) > pathBytesMax) continue
    try {
      return mkdtempSync(join(place, 'compozy-'))
    } catch {
      // The next one.
    }
  }
  throw new Error(
    'workers need a directory for their sockets, and none can be made in XDG_RUNTIME_DIR, /dev/shm or TMPDIR; mount one, or set mcp_proxy.workers to 1',
  )
}

/** Whether a descriptor is that of a file on a disk. */
function isFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile()
  } catch {
    return false
  }
}
