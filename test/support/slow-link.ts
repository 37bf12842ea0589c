/** A way to a server on which its answers take as long as the test says: nothing is lost, everything is late. */
import type { Socket } from 'bun'

export interface SlowLink extends AsyncDisposable {
  readonly port: number
  /** Of whatever comes from the server from now on. */
  delayMs: number
}

/** Bytes of one direction, in order, also where the delay changes. */
interface Way {
  other: Socket<Way> | null
  readonly early: Buffer[]
  readonly isAnswer: boolean
  queue: Promise<void>
}

export function startSlowLink(serverPort: number): SlowLink {
  const state = { delayMs: 0 }
  const sockets = new Set<Socket<Way>>()
  const pass = (from: Socket<Way>, bytes: Buffer): void => {
    const { data: way } = from
    const dueMs = performance.now() + (way.isAnswer ? state.delayMs : 0)
    const copy = Buffer.from(bytes)
    way.queue = way.queue.then(async () => {
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await Bun.sleep(waitMs)
      if (way.other === null) way.early.push(copy)
      else way.other.write(copy)
    })
  }
  const handlers = {
    data: pass,
    close: (socket: Socket<Way>) => {
      sockets.delete(socket)
      socket.data.other?.end()
    },
    error: () => {},
  }
  const server = Bun.listen<Way>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      ...handlers,
      open(client) {
        sockets.add(client)
        client.data = { other: null, early: [], isAnswer: false, queue: Promise.resolve() }
        const data: Way = { other: client, early: [], isAnswer: true, queue: Promise.resolve() }
        void Bun.connect<Way>({
          hostname: '127.0.0.1',
          port: serverPort,
          data,
          socket: {
            ...handlers,
            open(upstream) {
              sockets.add(upstream)
              client.data.other = upstream
              for (const bytes of client.data.early.splice(0)) upstream.write(bytes)
            },
          },
        }).catch(() => client.end())
      },
    },
  })
  return {
    port: server.port,
    get delayMs() {
      return state.delayMs
    },
    set delayMs(ms) {
      state.delayMs = ms
    },
    async [Symbol.asyncDispose]() {
      server.stop(true)
      for (const socket of sockets) socket.end()
      await Promise.resolve()
    },
  }
}
