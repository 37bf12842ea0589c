/** All servers in a table. */
import type { ServerList, ServerView } from '../../http/api/answers.ts'
import { type Cell, table } from '../table.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { cell, figure, type Received, received, receivedList } from './received.ts'
import { ageOf, reasonOf, stateCell, statusOf } from './server-state.ts'

const headings = [
  'NAME',
  'TRANSPORT',
  'STATUS',
  'AGE',
  'RESTARTS',
  'SESSIONS',
  'REQUESTS',
  'ERRORS',
  'REASON',
]

/** The table; ages are counted to `nowMs` (wall clock). */
export function serverTable(answer: Received<ServerList>, nowMs: number, terminal: Terminal): string {
  const servers = receivedList<ServerView>(answer.mcps)
  if (servers.length === 0) return 'no servers; "compozy servers add --help" shows how to add one'
  return table(
    headings,
    servers.map((server) => rowOf(server, nowMs)),
    { sentence: true, terminal },
  )
}

function rowOf(server: Received<ServerView>, nowMs: number): Cell[] {
  const definition = received<ServerView['definition']>(server.definition)
  const status = statusOf(server)
  return [
    cell(definition.name),
    cell(definition.transport),
    stateCell(status),
    ageOf(status, nowMs),
    cell(status.restarts),
    cell(status.sessions),
    cell(status.totalRequests),
    // A tool that answers with an error has failed for whoever called it.
    String(figure(status.totalErrors) + figure(status.toolErrors)),
    reasonOf(status),
  ]
}
