/**
 * The operations of the admin API, health and metrics: what each takes, what it answers, which errors are its own.
 *
 * Handlers take their types from here (operation.ts). The table itself is loaded when the document is asked for:
 * its schemas would cost every gateway a third of a MiB (docs/decisions/openapi.md).
 */
import { Type } from '@sinclair/typebox'
import { keyChangeSchema, newKeySchema } from '../../registry/access/key-schema.ts'
import { definitionWireSchema } from '../../registry/definition-schema.ts'
import { openMetricsContentType, prometheusContentType } from '../../telemetry/metrics-page.ts'
import { accessExplanation } from './access-answer.ts'
import * as answers from './answers.ts'
import { approvalOperations } from './approval-operations.ts'
import { clusterOperations } from './cluster-operations.ts'
import { configurationOperations } from './configuration-operations.ts'
import { consoleOperations } from './console-operations.ts'
import { credentialOperations, errorsOfCredentials } from './credentials/credential-operations.ts'
import * as keys from './key-answers.ts'
import { loginOperations } from './logins/login-operations.ts'
import type { Operation } from './operation-form.ts'
import { toolCall } from './tool-call-schema.ts'
import { trialOperations } from './trial-operations.ts'

const duration = Type.String({ description: 'A duration such as 3s.' })

/** A definition for PUT: the path names the server, so the body need not. */
const replacementWireSchema = Type.Object(
  { ...definitionWireSchema.properties, name: Type.Optional(definitionWireSchema.properties.name) },
  { $id: 'ServerReplacement', additionalProperties: false },
)

/** What may keep a definition from being registered. */
const errorsOfGate = [
  'DEFINITION_INVALID',
  'COMMAND_FORBIDDEN',
  'COMMAND_NOT_FOUND',
  'URL_FORBIDDEN',
] as const

/** What may keep a key from being changed. */
const errorsOfKeys = ['KEY_INVALID', 'STORE_UNAVAILABLE', 'STORAGE_FULL'] as const

/** By `operationId`, after which generated clients name their functions. */
export const operations = {
  getMe: {
    tag: 'people',
    summary: 'Who asks, by cookie or token.',
    access: 'everyone',
    answers: { 200: { description: 'Who that is.', schema: answers.me } },
    errors: ['UNAUTHENTICATED', 'ISSUER_UNAVAILABLE', 'RATE_LIMITED', 'DRAINING'],
  },
  signIn: {
    tag: 'people',
    summary: 'Sign in with a token that is configured; the answer sets a cookie.',
    access: 'everyone',
    body: {
      description: 'The token.',
      schema: Type.Object({
        token: Type.String({ description: 'Of auth.admin_tokens or auth.global_tokens, or a key.' }),
      }),
    },
    answers: { 200: { description: 'Who that is.', schema: answers.me } },
    errors: ['UNAUTHENTICATED', 'ADMIN_FORBIDDEN', 'RATE_LIMITED', 'DRAINING'],
  },
  signOut: {
    tag: 'people',
    summary: 'Sign out, with the cookie and the header X-CSRF-Token.',
    access: 'everyone',
    answers: { 204: { description: 'Nobody is signed in here any more.', schema: null } },
    errors: ['UNAUTHENTICATED', 'ADMIN_FORBIDDEN', 'RATE_LIMITED', 'DRAINING'],
  },
  getLiveness: {
    tag: 'health',
    summary: 'Whether the process lives; also while it shuts down.',
    access: 'everyone',
    answers: { 200: { description: 'It lives.', schema: answers.alive } },
  },
  getHealth: {
    tag: 'health',
    summary: 'Whether the process serves.',
    access: 'everyone',
    answers: {
      200: { description: 'It serves.', schema: answers.alive },
      503: { description: 'It is shutting down.', schema: answers.draining },
    },
  },
  getReadiness: {
    tag: 'health',
    summary: 'Whether every server of the configuration file has been tried.',
    access: 'everyone',
    answers: {
      200: { description: 'Each is connected or has failed for a known reason.', schema: answers.ready },
      503: {
        description: 'Some are still tried, or the gateway is shutting down.',
        schema: Type.Union([answers.starting, answers.draining]),
      },
    },
  },
  getPrometheusPage: {
    tag: 'figures',
    summary: 'The figures in the text form of Prometheus; for everyone when metrics.public is true.',
    access: 'admin',
    answers: {
      200: {
        description: 'The page.',
        schema: Type.String(),
        contentType: prometheusContentType,
        otherContentType: openMetricsContentType,
      },
    },
  },
  getFigures: {
    tag: 'figures',
    summary: 'The figures as JSON.',
    access: 'admin',
    answers: { 200: { description: 'The figures.', schema: answers.figures } },
  },
  ...configurationOperations,
  listServers: {
    tag: 'servers',
    summary: 'All servers with their definitions and states.',
    access: 'admin',
    answers: { 200: { description: 'All servers.', schema: answers.serverList } },
  },
  listGroups: {
    tag: 'servers',
    summary: 'All groups with their servers, that of everything at /mcp among them.',
    access: 'admin',
    answers: { 200: { description: 'All groups.', schema: answers.groupList } },
  },
  getGroup: {
    tag: 'servers',
    summary: 'One group: which servers are missing and why, and under which names it shows their tools.',
    access: 'admin',
    answers: { 200: { description: 'The group.', schema: answers.groupReport } },
    errors: ['SERVER_UNKNOWN'],
  },
  explainAccess: {
    tag: 'people',
    summary: 'Why somebody may use a server, or something of it, or may not: the rule that decides.',
    access: 'admin',
    query: {
      principal: {
        description:
          'Who: key:ID or the name of a key, token: and the digits that logs show, oauth: and the hash of a person, or issuer and subject with a space between them, or anonymous. Required.',
        schema: Type.String(),
      },
      server: { description: 'A server or a group. Required.', schema: Type.String() },
      tool: { description: 'A tool of it; of a group by its shown name.', schema: Type.String() },
      prompt: { description: 'A prompt of it.', schema: Type.String() },
      resource: { description: 'A resource of it, by its URI.', schema: Type.String() },
      template: { description: 'A resource template of it.', schema: Type.String() },
      through: {
        description:
          'The group by which it is asked for; the names are then those of the server. mcp is that of everything.',
        schema: Type.String(),
      },
      claim: {
        description: 'What the token of a person says, as name=value; once for each value.',
        schema: Type.String(),
      },
      address: { description: 'The address from which it is asked for.', schema: Type.String() },
    },
    answers: { 200: { description: 'What decides.', schema: accessExplanation } },
    errors: ['BAD_REQUEST'],
  },
  createServer: {
    tag: 'servers',
    summary: 'Registers a server and connects to it in the background.',
    access: 'admin',
    body: {
      description:
        'The definition. An optional field may also be null. Durations that are integers are nanoseconds.',
      schema: definitionWireSchema,
    },
    answers: { 201: { description: 'The definition is stored.', schema: answers.changeAnswer } },
    errors: [...errorsOfGate, 'DEFINITION_EXISTS', 'STORE_UNAVAILABLE', 'STORAGE_FULL'],
  },
  ...trialOperations,
  getServer: {
    tag: 'servers',
    summary: 'One server with its definition and state.',
    access: 'admin',
    query: {
      wait: {
        description: 'Waits that long, 60s at most, for a start of it to succeed or fail.',
        schema: duration,
      },
    },
    answers: { 200: { description: 'The server.', schema: answers.serverView } },
    errors: ['SERVER_UNKNOWN'],
  },
  restartServer: {
    tag: 'servers',
    summary: 'Ends the processes of a server and starts it anew; calls in flight may finish first for 10 s.',
    access: 'admin',
    answers: { 200: { description: 'The old processes are gone.', schema: answers.changeAnswer } },
    errors: ['SERVER_UNKNOWN', 'SERVER_DISABLED'],
  },
  enableServer: {
    tag: 'servers',
    summary: 'Switches a server on, which starts in the background.',
    access: 'admin',
    answers: { 200: { description: 'It is on.', schema: answers.changeAnswer } },
    errors: ['SERVER_UNKNOWN', 'STORE_UNAVAILABLE'],
  },
  disableServer: {
    tag: 'servers',
    summary: 'Switches a server off, also across restarts; calls in flight may finish first for 10 s.',
    access: 'admin',
    answers: {
      200: { description: 'It is off, and its processes are gone.', schema: answers.changeAnswer },
    },
    errors: ['SERVER_UNKNOWN', 'STORE_UNAVAILABLE'],
  },
  getServerLogs: {
    tag: 'servers',
    summary: 'The last lines that a server wrote for people.',
    access: 'admin',
    query: {
      follow: {
        description: 'Goes on with what it writes from now on, as a stream of events.',
        schema: Type.Boolean(),
      },
    },
    answers: {
      200: {
        description: 'The lines, oldest first.',
        schema: answers.serverLogs,
        events:
          'With `follow`: a `line` event for each line, an OutputLine in JSON; `missed` with the `count` of those that the reader did not take in time; `end` when the server is removed or the gateway stops.',
      },
    },
    errors: ['SERVER_UNKNOWN', 'IN_FLIGHT_EXHAUSTED'],
  },
  replaceServer: {
    tag: 'servers',
    summary: 'Replaces the definition of a server; calls in flight finish on the old one.',
    access: 'admin',
    body: {
      description: 'The whole definition, as for POST. A value that is sent back as "***" stays what it is.',
      schema: replacementWireSchema,
    },
    answers: { 200: { description: 'The definition is replaced.', schema: answers.changeAnswer } },
    errors: ['SERVER_UNKNOWN', 'DEFINITION_READ_ONLY', ...errorsOfGate, 'STORE_UNAVAILABLE', 'STORAGE_FULL'],
  },
  removeServer: {
    tag: 'servers',
    summary: 'Removes a server; calls in flight get an error, its sessions end.',
    access: 'admin',
    answers: { 204: { description: 'It is removed, and its processes are gone.', schema: null } },
    errors: ['SERVER_UNKNOWN', 'DEFINITION_READ_ONLY', 'STORE_UNAVAILABLE', 'STORAGE_FULL'],
  },
  listKeys: {
    tag: 'keys',
    summary: 'All keys, those of the file among them, without their texts.',
    access: 'admin',
    answers: { 200: { description: 'All keys.', schema: keys.keyList } },
  },
  createKey: {
    tag: 'keys',
    summary: 'Makes a key; the answer has its text, this once.',
    access: 'admin',
    body: {
      description: 'Its name, and what it opens; without expires it ends after 90 days.',
      schema: newKeySchema,
    },
    answers: { 201: { description: 'The key is stored, its text as a digest.', schema: keys.madeKey } },
    errors: [...errorsOfKeys, 'KEY_EXISTS', 'KEYS_EXHAUSTED'],
  },
  getKey: {
    tag: 'keys',
    summary: 'One key, without its text.',
    access: 'admin',
    answers: { 200: { description: 'The key.', schema: keys.keyAnswer } },
    errors: ['KEY_UNKNOWN'],
  },
  changeKey: {
    tag: 'keys',
    summary: 'Changes a key; what it opens no more ends at once.',
    access: 'admin',
    body: { description: 'What is to change: what is left out stays.', schema: keyChangeSchema },
    answers: { 200: { description: 'The key is changed.', schema: keys.changedKey } },
    errors: [...errorsOfKeys, 'KEY_UNKNOWN', 'KEY_EXISTS', 'KEY_READ_ONLY', 'KEYS_EXHAUSTED'],
  },
  revokeKey: {
    tag: 'keys',
    summary: 'Takes a key back; its sessions, streams and calls end within a second.',
    access: 'admin',
    query: {
      open: {
        description: 'With the last key: lets in again who was before there were keys.',
        schema: Type.Boolean(),
      },
    },
    answers: { 204: { description: 'The key opens nothing any more.', schema: null } },
    errors: [...errorsOfKeys, 'KEY_UNKNOWN', 'KEY_READ_ONLY'],
  },
  rotateKey: {
    tag: 'keys',
    summary: 'Gives a key a new text, in the answer this once; the old one counts for a while more.',
    access: 'admin',
    body: {
      description: 'How long the old text counts, 24h when left out and 168h at most. The body may be empty.',
      schema: Type.Object({ overlap: Type.Optional(duration) }),
    },
    answers: { 200: { description: 'The key has a new text.', schema: keys.madeKey } },
    errors: [...errorsOfKeys, 'KEY_UNKNOWN', 'KEY_READ_ONLY', 'KEYS_EXHAUSTED'],
  },
  listTools: {
    tag: 'tools',
    summary: 'Every tool of every server.',
    access: 'admin',
    query: {
      name: { description: 'Only the tools of this server.', schema: Type.String() },
      wait: {
        description: 'How long each server may take, 10s at most; those that take longer stand in `errors`.',
        schema: duration,
      },
    },
    answers: { 200: { description: 'The tools, and who did not list any.', schema: answers.toolList } },
    errors: ['SERVER_UNKNOWN'],
  },
  callTool: {
    tag: 'tools',
    summary: 'Calls one tool.',
    access: 'admin',
    body: { description: 'Which tool, and its arguments.', schema: toolCall },
    answers: {
      200: {
        description: 'What the tool gave, or why it failed.',
        schema: answers.toolResult,
        events:
          'With `Accept: text/event-stream`: a `progress` event for each progress notification, its `params` in JSON; then `result`, the whole result of `tools/call` in JSON, or `error`, an Error. The call is cancelled when the caller leaves.',
      },
    },
    errors: [
      'SERVER_UNKNOWN',
      'NOT_FOUND',
      'COMMAND_NOT_FOUND',
      'URL_FORBIDDEN',
      'SERVER_STARTING',
      'SERVER_UNAVAILABLE',
      'SERVER_DISABLED',
      ...errorsOfCredentials,
      'UPSTREAM_CLOSED',
      'UPSTREAM_TIMEOUT',
      'UPSTREAM_UNAUTHORIZED',
      'PROCESSES_EXHAUSTED',
      'IN_FLIGHT_EXHAUSTED',
    ],
  },
  ...approvalOperations,
  ...consoleOperations,
  ...clusterOperations,
  ...credentialOperations,
  ...loginOperations,
  followEvents: {
    tag: 'figures',
    summary: 'Calls as they end, and servers as they come and go: an event stream.',
    access: 'admin',
    answers: {
      200: {
        description:
          'The stream. It begins with a `state` event for each server. The data of each event is the JSON of: for `call` a CallEvent, for `state` a StateEvent, for `missed` a MissedEvents.',
        schema: Type.Union([answers.callEvent, answers.stateEvent, answers.missedEvents]),
        contentType: 'text/event-stream',
      },
    },
    errors: ['IN_FLIGHT_EXHAUSTED', 'METHOD_NOT_ALLOWED'],
  },
  getOpenApi: {
    tag: 'figures',
    summary: 'This document.',
    access: 'admin',
    answers: { 200: { description: 'The document.', schema: answers.openApiDocument } },
  },
} as const satisfies Readonly<Record<string, Operation>>
