/** What the MCP endpoints use of a group while it runs. Loaded when the first group is there. */
import { idTextOf, type MessageText, rpcResult } from '../protocol/jsonrpc.ts'
import type { Exchange } from '../session/legacy/exchange.ts'
import { beginSession } from '../session/legacy/initialize.ts'
import type { Session } from '../session/legacy/session.ts'
import { tellModern } from '../session/modern/answer.ts'
import type { RelayedCall } from '../session/modern/relayed-call.ts'
import type { ModernReply } from '../session/modern/response.ts'
import type { Caller } from './client.ts'
import { initializeResult } from './greeting.ts'
import type { Group } from './group.ts'
import { GroupSession } from './legacy/group-session.ts'
import type { GroupWays } from './legacy/session-members.ts'
import { answerGroup } from './modern/answer-group.ts'
import type { GroupInbound } from './modern/group-request.ts'

export class GroupFace {
  /** Tells it from a server. */
  readonly isGroup = true
  readonly group: Group

  constructor(group: Group) {
    this.group = group
  }

  /** What its sessions are filed under. */
  get key(): string {
    return this.group.key
  }

  get name(): string {
    return this.group.name
  }

  /** Answers `initialize` at once, from what is known. Throws a GatewayError; the caller ends the session. */
  initialize(session: Session, message: MessageText, body: unknown, ways: GroupWays): string {
    const version = beginSession(session, message, body)
    session.state = 'open'
    const members = new GroupSession(this.group, session, ways)
    session.members = members
    return rpcResult(idTextOf(message), initializeResult(this.group.identity, members.view, version))
  }

  /** Sends a request of a session's on, or answers it; what becomes of it reaches the exchange. */
  request(session: Session, exchange: Exchange, ways: GroupWays): void {
    if (session.members instanceof GroupSession) session.members.request(exchange, ways)
  }

  /** A notification of a session's client, or its answer to a question. */
  tell(session: Session, message: MessageText): void {
    if (session.members instanceof GroupSession) session.members.tell(message)
  }

  /** Answers a request that stands alone. Throws, and rejects with, a GatewayError. */
  answer(inbound: GroupInbound): Promise<ModernReply> | RelayedCall {
    return answerGroup(this.group, inbound)
  }

  /** Takes a notification of a stateless client: those of vendors go to all members that are there. */
  async tellModern(caller: Caller, message: MessageText): Promise<void> {
    const servers = this.group.viewOf(caller).members.map(({ server }) => server)
    await Promise.allSettled(
      servers.map((server) =>
        server?.state === 'connected' ? tellModern(server, caller.principal.id, message) : undefined,
      ),
    )
  }
}
