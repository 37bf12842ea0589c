/** The steps of a request in the order of its life, and which files do them. Pure. */

export interface Step {
  readonly title: string
  /** Files, or folders with a slash at their end, from `src/` on. */
  readonly paths: readonly string[]
}

export const steps: readonly Step[] = [
  {
    title: 'accept, answer, idle timer',
    paths: [
      'http/listener.ts',
      'http/context.ts',
      'http/reply.ts',
      'http/long-waits.ts',
      'runtime/busy-poll.ts',
    ],
  },
  {
    title: 'hooks: client, host, token, limits',
    paths: ['http/hooks/', 'net/', 'access/', 'protocol/name-pattern.ts'],
  },
  { title: 'group', paths: ['group/'] },
  { title: 'access log and metrics', paths: ['telemetry/', 'http/hooks/access-log.ts'] },
  {
    title: 'route, read the body, parse it once',
    paths: [
      'http/app.ts',
      'http/body.ts',
      'http/routes/mcp.ts',
      'http/routes/mcp-endpoints.ts',
      'protocol/traces/',
    ],
  },
  {
    title: 'which era, which session',
    paths: [
      'http/routes/',
      'session/legacy/sessions.ts',
      'protocol/classify.ts',
      'protocol/eras.ts',
      'protocol/envelope.ts',
      'protocol/headers.ts',
      'protocol/json.ts',
    ],
  },
  {
    title: 'find ids and tokens in the text',
    paths: [
      'protocol/jsonrpc.ts',
      'protocol/spans.ts',
      'protocol/large-answer.ts',
      'protocol/response.ts',
      'protocol/exact-json.ts',
      'protocol/void-members.ts',
    ],
  },
  { title: 'exchange and session', paths: ['session/'] },
  {
    title: 'bridge',
    paths: [
      'protocol/bridge/',
      'session/machine-driver.ts',
      'session/legacy/bridge.ts',
      'session/legacy/call-driver.ts',
      'session/modern/call-driver.ts',
      'upstream/connection/bridge-call.ts',
    ],
  },
  {
    title: 'lane, connection, id map',
    paths: [
      'upstream/server/',
      'upstream/lane/',
      'upstream/connection/',
      'runtime/in-flight.ts',
      'runtime/sweeper.ts',
    ],
  },
  {
    title: 'transport: pipe or HTTP',
    paths: [
      'upstream/transports/',
      'net/http1-head.ts',
      'net/http1-response.ts',
      'protocol/line-frames.ts',
      'protocol/partial-line.ts',
      'protocol/sse-frames.ts',
    ],
  },
]

/** The step of a file, given from `src/` on: the longest path that it is or lies in decides. null without one. */
export function stepOf(file: string): Step | null {
  let found: Step | null = null
  let longest = 0
  for (const step of steps) {
    for (const path of step.paths) {
      const holds = path.endsWith('/') ? file.startsWith(path) : file === path
      if (!holds || path.length <= longest) continue
      found = step
      longest = path.length
    }
  }
  return found
}
