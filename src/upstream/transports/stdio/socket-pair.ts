/**
 * A connection between this process and a child that inherits its other end. The runtime's sockets stop reading when
 * they are told to, and cost half of what its pipes to children cost (docs/decisions/node-child-process.md); but it
 * makes no pair of them, so that one is made by listening and connecting. Whoever else connects to that name meanwhile
 * does not know the word that the right one says.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Socket, SocketHandler } from 'bun'

export interface SocketPair {
  readonly own: Socket
  /** The descriptor of the child's end. */
  readonly inherited: number
  /** Lets go of the child's end here: at once when the child has it, as what comes for it would be read here. */
  release(): void
}

const wordBytes = 16
/** The right one connects at once, before anybody can have read the name; strangers could keep the gateway busy. */
const connectionsMax = 8
/** Both ends are in this process. */
const patienceMs = 5_000

/** Rejects with the error of the system. */
export async function socketPair(handlers: SocketHandler): Promise<SocketPair> {
  const place = listeningPlace()
  const word = randomBytes(wordBytes)
  const met = Promise.withResolvers<Socket>()
  const strangers = new Set<Socket>()
  const own: Socket[] = []
  const late = setTimeout(() => met.reject(new Error('no connection to itself came about')), patienceMs)
  let listener: { stop(): void } | null = null
  let connections = 0
  try {
    listener = Bun.listen<undefined>({
      unix: place.path,
      socket: {
        open(socket) {
          strangers.add(socket)
          if (++connections === connectionsMax) listener?.stop()
        },
        data(socket, said) {
          if (!said.equals(word)) socket.terminate()
          else if (strangers.delete(socket)) met.resolve(socket)
        },
        close: (socket) => void strangers.delete(socket),
      },
    })
    const end = await Bun.connect<undefined>({ unix: place.path, socket: handlers })
    own.push(end)
    end.write(word)
    const other = await met.promise
    const inherited = descriptorOf(other)
    own.pop()
    return { own: end, inherited, release: () => other.terminate() }
  } catch (thrown) {
    // The runtime says "refused" where there are no descriptors left; to open one says what is true.
    closeSync(openSync('/dev/null', 'r'))
    throw thrown
  } finally {
    listener?.stop()
    clearTimeout(late)
    place.remove()
    for (const socket of [...own, ...strangers]) socket.terminate()
  }
}

/** The types of the runtime leave it out. */
function descriptorOf(socket: object): number {
  const fd: unknown = Reflect.get(socket, 'fd')
  if (typeof fd !== 'number' || fd < 0) throw new Error('the runtime tells no descriptor of a socket')
  return fd
}

interface ListeningPlace {
  readonly path: string
  remove(): void
}

/** On Linux a name outside every file system: there may be none to write in. */
function listeningPlace(): ListeningPlace {
  if (process.platform === 'linux')
    return { path: `\0compozy-${randomBytes(wordBytes).toString('hex')}`, remove() {} }
  const directory = mkdtempSync(join(tmpdir(), 'compozy-'))
  return { path: join(directory, 's'), remove: () => rmSync(directory, { recursive: true, force: true }) }
}
