/**
 * The servers of the SDK matrix.
 *
 *   bun server.ts stdio v1|v2-legacy|v2-modern MARKS   one of them on a pipe
 *   bun server.ts http MARKS                           all of them at one free port; prints their URLs by name
 */
import { StdioServerTransport as StdioV1 } from '@modelcontextprotocol/sdk/server/stdio.js'
import type { Transport as TransportV1 } from '@modelcontextprotocol/sdk/shared/transport.js'
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio'
import { serveMatrixOverHttp } from './http.ts'
import { Marks } from './offer.ts'
import { createOfferV1 } from './offer-v1.ts'
import { type Announcements, createOfferV2 } from './offer-v2.ts'

const overPipe: Announcements = {
  toolsChanged: (server) => server.sendToolListChanged(),
  resourceUpdated: (server, uri) => server.server.sendResourceUpdated({ uri }),
}

async function serveOverPipe(sdk: string | undefined, marks: Marks): Promise<void> {
  if (sdk === 'v1') await createOfferV1(marks).connect(new StdioV1() as TransportV1)
  else if (sdk === 'v2-legacy')
    await createOfferV2('legacy', marks, overPipe).connect(new StdioServerTransport())
  else if (sdk === 'v2-modern')
    serveStdio(() => createOfferV2('modern', marks, overPipe), { legacy: 'reject' })
  else throw new Error(`no server is built on ${sdk}`)
}

const [transport, ...rest] = process.argv.slice(2)
if (transport === 'http') console.log(JSON.stringify(serveMatrixOverHttp(new Marks(rest[0] ?? '.'))))
else await serveOverPipe(rest[0], new Marks(rest[1] ?? '.'))
