/** Requests that another process of this gateway answers for all of them, and how they come in there. */
import type { Server } from 'bun'
import type { Area } from './context.ts'

/** Another process of this gateway that answers some requests for all of them. */
export interface Relay {
  /** Whether requests of this area may be another one's. */
  takes(area: Area): boolean
  /** Answers one; `here` answers it in this process. `socketAddress` is the peer as the socket names it. */
  serve(
    request: Request,
    area: Area,
    socketAddress: string | null,
    here: () => Response | Promise<Response>,
  ): Promise<Response>
  /** Has what others send here served at this door from now on. */
  open(door: RelayDoor): void
  close(): Promise<void>
}

/** Where a request that another process has taken in comes in here. */
export interface RelayDoor {
  serveHere(
    request: Request,
    server: Server<undefined>,
    socketAddress: string | null,
  ): Response | Promise<Response>
}
