/**
 * The shapes of all answers of the admin API, health and metrics (CONTRACT.md, "Admin API").
 *
 * Types and the OpenAPI document come from here. A schema with an `$id` stands under that name in the
 * document. They describe what is sent and refuse no further members: a later version may send more.
 */
import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { catalogue } from '../../errors.ts'
import { definitionWireSchema } from '../../registry/definition-schema.ts'
import { type CallOutcome, callOutcomes } from '../../telemetry/call-ending.ts'
import { loginView } from './logins/login-schema.ts'

export const nullable = <S extends TSchema>(schema: S, description: string) =>
  Type.Union([schema, Type.Null()], { description })

export const oneOf = <const Names extends readonly string[]>(names: Names, description: string) =>
  Type.Unsafe<Names[number]>({ type: 'string', enum: names, description })

export const count = (description: string) => Type.Integer({ minimum: 0, description })
/** Existing clients read these into integers. */
const nanoseconds = (description: string) => Type.Integer({ minimum: 0, description })
const quantity = (description: string) => Type.Number({ minimum: 0, description })
export const textOf = (description: string) => Type.String({ description })
export const serverName = textOf('The name of a server.')
export const names = (description: string) => Type.Array(Type.String(), { description })

/** The error form of every plain answer. */
export const errorAnswer = Type.Object(
  {
    error: textOf('What is wrong, in a few words.'),
    details: textOf('What happened and what to do about it.'),
    code: oneOf(Object.keys(catalogue), 'The stable name of the failure.'),
  },
  { $id: 'Error' },
)

/** Who asks. */
export const me = Type.Object(
  {
    principal: textOf('Who that is, as the log has it.'),
    role: oneOf(['anonymous', 'client', 'viewer', 'operator', 'admin'], 'What that may do here.'),
    name: Type.Optional(textOf('Issuer and subject of a person.')),
    csrf: Type.Optional(
      textOf('With a cookie: what a page sends as X-CSRF-Token with whatever changes something.'),
    ),
    endsAt: Type.Optional(textOf('With a cookie: when the sign-in ends, in ISO 8601.')),
  },
  { $id: 'Me' },
)

const serverState = oneOf(
  ['disconnected', 'connecting', 'connected', 'error'],
  'Where the connection stands.',
)

/** How a server fares. Durations are in nanoseconds, as existing clients expect. */
export const serverStatus = Type.Object(
  {
    name: serverName,
    status: oneOf(
      ['disconnected', 'connecting', 'connected', 'error', 'needs_login'],
      'Where the connection stands; needs_login while nobody has logged in for the account that all share.',
    ),
    lastConnected: nullable(Type.String(), 'When it last connected, in ISO 8601.'),
    lastError: nullable(Type.String(), 'Why it last failed.'),
    lastErrorTime: nullable(Type.String(), 'When it last failed, in ISO 8601.'),
    reconnectAttempts: count('Attempts to connect since it was last connected.'),
    restarts: count('Times that its process was started again, or its session opened again.'),
    since: textOf('When it came up, or went down, in ISO 8601. An attempt to come back counts as down.'),
    reason: nullable(Type.String(), 'Why it is not well, in one line; null when it is.'),
    lastExit: nullable(
      Type.Object({
        code: nullable(Type.Integer(), 'Its exit code; null when a signal ended it.'),
        signal: nullable(Type.String(), 'The name of the signal that ended it.'),
        at: textOf('When, in ISO 8601.'),
      }),
      'How its last process ended; null when none has.',
    ),
    upTime: nanoseconds('Nanoseconds since it connected; 0 when it is not connected.'),
    totalRequests: count('Requests that it was sent.'),
    totalErrors: count('Requests that ended in a JSON-RPC error.'),
    toolErrors: count('Tool calls whose result says that the tool failed.'),
    avgResponseTime: nanoseconds('Nanoseconds from request to answer, on average.'),
    protocolVersion: nullable(Type.String(), 'The MCP version that was agreed on.'),
    era: nullable(oneOf(['legacy', 'modern'], 'Sessions, or calls that stand alone.'), 'How it speaks MCP.'),
    serverInfo: Type.Unknown({ description: 'What it says of itself; null before it has connected.' }),
    capabilities: Type.Unknown({ description: 'What it says that it can do; null before it has connected.' }),
    processes: count('Child processes that run for it.'),
    sessions: count('Client sessions that are open on it.'),
    stderrTail: Type.Array(Type.String(), { description: 'The last lines of its standard error.' }),
    closed: nullable(Type.String(), 'Why nobody can come in at its endpoints; null where somebody can.'),
    users: Type.Optional(
      count('Users that have it open, where each has one of their own; left out for all other servers.'),
    ),
    disabledAt: nullable(
      Type.String(),
      'When an admin has switched it off, in ISO 8601; null while it is on.',
    ),
    login: nullable(loginView, 'How the login at it stands; null where nobody logs in.'),
  },
  { $id: 'ServerStatus' },
)

/** One server: what was registered, secrets masked, and how it fares. */
export const serverView = Type.Object(
  {
    definition: definitionWireSchema,
    origin: oneOf(['file', 'store'], 'Where it is defined: the configuration file, or over the API.'),
    status: serverStatus,
  },
  { $id: 'Server' },
)

export const serverList = Type.Object(
  { mcps: Type.Array(serverView), count: count('How many there are.') },
  { $id: 'ServerList' },
)

const memberReport = Type.Object(
  {
    server: serverName,
    prefix: textOf('What stands before its names in the group; empty for nothing.'),
    status: oneOf(
      ['disconnected', 'connecting', 'connected', 'error', 'unregistered'],
      'Where its connection stands; unregistered when no server has this name.',
    ),
    reason: nullable(Type.String(), 'Why it is missing from the lists of the group; null when it is not.'),
  },
  { $id: 'GroupMember' },
)

const groupSummaryFields = {
  name: textOf('The name of the group.'),
  endpoints: Type.Array(Type.String(), {
    description: 'Where clients find it, below the URL of the gateway.',
  }),
  description: textOf('What it is for.'),
  naming: oneOf(['prefix', 'plain'], 'Whether names stand behind that of their server.'),
  exposure: oneOf(['all', 'search'], 'Whether all tools are listed, or found with a tool.'),
  sessions: count('Client sessions that are open on it.'),
  members: Type.Array(memberReport, { description: 'Its servers, in the order in which it shows them.' }),
}

const groupSummary = Type.Object(groupSummaryFields, { $id: 'GroupSummary' })

export const groupList = Type.Object(
  { groups: Type.Array(groupSummary), count: count('How many there are.') },
  { $id: 'GroupList' },
)

const shownTool = Type.Object(
  {
    name: textOf('The name that the group shows.'),
    server: serverName,
    tool: textOf('The name that the server gave it.'),
  },
  { $id: 'ShownTool' },
)

/** One group with what its servers list. */
export const groupReport = Type.Object(
  {
    ...groupSummaryFields,
    tools: Type.Array(shownTool, { description: 'What an admin sees; tokens and filters may show less.' }),
    ambiguous: Type.Array(Type.Object({ name: textOf('The name.'), owners: Type.Array(shownTool) }), {
      description: 'Names that several tools would have; they are shown for none of them.',
    }),
  },
  { $id: 'Group' },
)

const outputLine = Type.Object(
  { time: textOf('When it was read, in ISO 8601.'), text: textOf('The line, without secrets.') },
  { $id: 'OutputLine' },
)

/** What a server wrote for people. */
export const serverLogs = Type.Object(
  {
    name: serverName,
    lines: Type.Array(outputLine, {
      description: 'The last lines of its standard error, and of what it writes beside messages.',
    }),
  },
  { $id: 'ServerLogs' },
)

/** What a change of the registry answers. */
export const changeAnswer = Type.Object(
  { message: textOf('What has happened, for people.'), name: serverName },
  { $id: 'Change' },
)

/** A tool with every member that its server gave it, and the server's name. */
const toolView = Type.Object(
  {
    name: textOf('The name of the tool.'),
    mcpName: serverName,
    description: Type.Optional(Type.Unknown({ description: 'What it is for, as the server says.' })),
    inputSchema: Type.Optional(Type.Unknown({ description: 'A JSON Schema of its arguments.' })),
  },
  { $id: 'Tool', additionalProperties: true },
)

export const toolList = Type.Object(
  {
    tools: Type.Array(toolView),
    heldBack: Type.Optional(
      Type.Array(
        Type.Object({ mcpName: serverName, name: textOf('The name of the tool.') }, { $id: 'HeldBackTool' }),
        {
          description:
            'Tools of pinned servers that wait for approval: nobody is shown them, or may call them.',
        },
      ),
    ),
    errors: Type.Array(Type.Object({ mcpName: serverName, error: textOf('Why the server listed none.') }), {
      description: 'The servers that did not answer.',
    }),
  },
  { $id: 'ToolList' },
)

export const toolResult = Type.Object(
  {
    result: Type.Unknown({
      description:
        'The first content: a JSON object as such, other text as a string, an image with type, data and mimeType, else the list of contents. Null when the tool failed.',
    }),
    error: Type.Optional(textOf('Why the tool failed.')),
  },
  { $id: 'ToolResult' },
)

const outcomeWords = {
  ok: 'Answered.',
  tool_error: 'The result says that the tool failed.',
  rpc_error: 'The server answered with a JSON-RPC error.',
  refused: 'The gateway did not let it through.',
  failed: 'Something broke.',
  cancelled: 'Its client gave it up.',
  input_required: 'The server asks its client first.',
} as const satisfies Readonly<Record<CallOutcome, string>>

/** What a configuration that was read again has changed. */
export const reloadReport = Type.Object(
  {
    applied: Type.Object(
      {
        settings: names('Keys of settings.'),
        servers: Type.Object({
          added: names('Servers of the file that are new.'),
          changed: names('Servers whose definition is another one; they were replaced.'),
          removed: names('Servers that are gone.'),
        }),
      },
      { description: 'What is in force from now on.' },
    ),
    unchanged: Type.Object(
      { settings: names('Keys of settings.'), servers: names('Servers that go on untouched.') },
      { description: 'What stands as before.' },
    ),
    needsRestart: names('Keys of settings that were changed and count from the next start on.'),
  },
  { $id: 'ReloadReport' },
)

const load = {
  requests: count('JSON-RPC requests accepted.'),
  errors: count('Requests that ended in a JSON-RPC error.'),
  outcomes: Type.Object(
    Object.fromEntries(callOutcomes.map((outcome) => [outcome, count(outcomeWords[outcome])])) as Record<
      CallOutcome,
      ReturnType<typeof count>
    >,
    { description: 'Requests that have ended, also those that never reached the server, by outcome.' },
  ),
  inFlight: count('Requests that wait for their answer.'),
  sessions: count('Client sessions that are open.'),
  processes: count('Child processes that run.'),
  restarts: count('How often servers were started again, or their sessions opened again.'),
}

/** The figures of `/metrics` in JSON; durations in milliseconds. */
export const figures = Type.Object(
  {
    uptimeSeconds: quantity('Time since the gateway started.'),
    memoryBytes: quantity('Resident memory of the gateway.'),
    cpuSeconds: quantity('User and system time of the gateway.'),
    logLinesDropped: count('Log lines given up because nobody read.'),
    auditLinesDropped: count('Audit lines lost because they could not be written.'),
    totals: Type.Object(load, { description: 'Of all servers together.' }),
    servers: Type.Array(
      Type.Object({
        name: serverName,
        connected: Type.Boolean({ description: 'Whether it is connected.' }),
        ...load,
        durationMs: Type.Object(
          {
            average: nullable(Type.Number(), 'Null without answers.'),
            p50: nullable(Type.Number(), 'The upper bound of the bucket with the median.'),
            p95: nullable(Type.Number(), 'The same for 95 in 100; null beyond the last bound.'),
            p99: nullable(Type.Number(), 'The same for 99 in 100; null beyond the last bound.'),
          },
          { description: 'Milliseconds from request to answer.' },
        ),
      }),
    ),
    http: Type.Array(
      Type.Object({
        area: textOf('The part of the gateway.'),
        status: Type.Integer({ description: 'The HTTP status.' }),
        count: count('Requests answered so.'),
      }),
    ),
  },
  { $id: 'Figures' },
)

const moment = textOf('When, in ISO 8601.')

/** How one call ended: what its line in the log says. */
export const callEvent = Type.Object(
  {
    time: moment,
    durationMs: quantity('Milliseconds from its arrival to its end.'),
    clientIp: nullable(Type.String(), 'The address of the client.'),
    requestId: textOf('The id of its HTTP request, as in the log.'),
    code: Type.Optional(textOf('Why it was refused, or has failed.')),
    mcp: serverName,
    group: Type.Optional(textOf('The group by which it came.')),
    rpcMethod: textOf('The method of the request.'),
    tool: Type.Optional(textOf('The name of the tool.')),
    outcome: oneOf(callOutcomes, 'What became of it.'),
    rpcCode: Type.Optional(Type.Number({ description: 'The code of a JSON-RPC error.' })),
    caller: Type.Optional(textOf('The principal.')),
    client: Type.Optional(textOf('What the client calls itself.')),
    sessionId: Type.Optional(textOf('A short hash of the id of its session.')),
    pair: Type.Optional(textOf('Which eras met.')),
    traceId: Type.Optional(textOf('Of its trace, while traces are on.')),
  },
  { $id: 'CallEvent' },
)

/** How a server fares from now on. */
export const stateEvent = Type.Object(
  {
    time: moment,
    mcp: serverName,
    status: oneOf(
      ['disconnected', 'connecting', 'connected', 'error', 'removed'],
      'Where the connection stands.',
    ),
    reason: nullable(Type.String(), 'Why it is not well; null when it is.'),
    since: nullable(Type.String(), 'When it came up or went down, in ISO 8601.'),
    restarts: count('How often it was started again.'),
    disabledAt: nullable(
      Type.String(),
      'When an admin has switched it off, in ISO 8601; null while it is on.',
    ),
  },
  { $id: 'StateEvent' },
)

/** What the reader of a stream has missed because it did not keep up. */
export const missedEvents = Type.Object({ count: count('How many events.') }, { $id: 'MissedEvents' })

export const alive = Type.Object({ status: Type.Literal('ok') })
export const ready = Type.Object({ status: Type.Literal('ready') })
export const draining = Type.Object({ status: Type.Literal('draining') })
export const starting = Type.Object({
  status: Type.Literal('starting'),
  servers: Type.Array(Type.Object({ name: serverName, status: serverState }), {
    description: 'The servers of the configuration file.',
  }),
})

/** The OpenAPI document itself. */
export const openApiDocument = Type.Record(Type.String(), Type.Unknown(), {
  description: 'An OpenAPI 3.1 document.',
})

export type GroupList = Static<typeof groupList>
export type GroupReport = Static<typeof groupReport>
export type ServerView = Static<typeof serverView>
export type ServerList = Static<typeof serverList>
export type ToolList = Static<typeof toolList>
export type ToolResult = Static<typeof toolResult>
export type ServerLogs = Static<typeof serverLogs>
export type ChangeAnswer = Static<typeof changeAnswer>
export type CallEvent = Static<typeof callEvent>
export type StateEvent = Static<typeof stateEvent>
export type ErrorAnswer = Static<typeof errorAnswer>
