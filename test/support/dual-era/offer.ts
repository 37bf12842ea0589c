/**
 * What the dual-era fixture offers: the tools, prompts and resources that the official conformance
 * suite asks of a server, in both eras, plus completion, logging and subscriptions.
 */
import { createRequestStateCodec, McpServer } from '@modelcontextprotocol/server'
import { offerAskingTools } from './asking-tools.ts'
import { offerPlainTools } from './plain-tools.ts'
import { offerPrompts, offerResources } from './prompts-and-resources.ts'

/** How one server instance is to behave. */
export interface Offer {
  /** The era that this instance serves. */
  readonly era: 'legacy' | 'modern'
  /** How long `test_reconnection` works after it closed its stream. */
  readonly reconnectionMs: number
  /** Announces a changed tool list the way the serving transport wants it. */
  toolsChanged(server: McpServer): void
  /** Announces a changed prompt list likewise. */
  promptsChanged(server: McpServer): void
}

/** What a call remembers between two rounds; sealed, because it comes back from the client. */
export interface RoundState {
  readonly tool: string
  readonly round: number
  readonly nonce: string
  readonly name?: string
}

export type RoundStates = ReturnType<typeof createRequestStateCodec<RoundState>>

// One key for the process: in the modern era each round is served by a fresh instance.
const states: RoundStates = createRequestStateCodec<RoundState>({
  key: crypto.getRandomValues(new Uint8Array(32)),
})

/** One server with everything registered, not yet connected. */
export function createOffer(offer: Offer): McpServer {
  const server = new McpServer(
    { name: 'dual-era-fixture', version: '1.0.0' },
    {
      instructions: 'A fixture that offers everything the conformance suite asks for.',
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: states.verify },
    },
  )
  offerPlainTools(server, offer)
  offerAskingTools(server, states)
  offerResources(server, offer)
  offerPrompts(server)
  server.server.setRequestHandler('completion/complete', (request) => {
    const values = ['paris', 'park', 'party'].filter((word) => word.startsWith(request.params.argument.value))
    return { completion: { values, total: values.length, hasMore: false } }
  })
  return server
}
