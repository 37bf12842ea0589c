/**
 * A stateless client's `subscriptions/listen` on a group: one stream of the group's own, fed by a listen of the
 * group's at each member that has something to say. The client hears one acknowledgement, of what was accepted;
 * members that come later are joined, and those that come back are asked again.
 */
import { type CredentialOwner, ownerOf } from '../../access/owner/credential-owner.ts'
import type { Grants } from '../../access/reach.ts'
import { type GatewayError, rpcErrorText } from '../../errors.ts'
import { type Listen, stamped, startListen, stepListen } from '../../protocol/bridge/listen.ts'
import type { ServerFacts } from '../../protocol/bridge/types.ts'
import { latestModernVersion, listChanges, modernErrorStatus } from '../../protocol/eras.ts'
import { isObject } from '../../protocol/json.ts'
import { idTextOf, rpcError, rpcNotification, rpcResult } from '../../protocol/jsonrpc.ts'
import { parsed } from '../../protocol/spans.ts'
import type { LedgerEntry } from '../../runtime/byte-ledger.ts'
import { endsWell, type OpenRequest } from '../../session/modern/requests.ts'
import { type ModernReply, ModernResponse, type ResponseOwner } from '../../session/modern/response.ts'
import { endingOfError, plainEndings } from '../../telemetry/call-ending.ts'
import { endingOfFailure } from '../../upstream/connection/endings.ts'
import type { ChangedList, ChangeHearer } from '../changes.ts'
import { capabilities, infoOf } from '../greeting.ts'
import type { Group } from '../group.ts'
import { type GroupInbound, GroupRequest } from './group-request.ts'
import { MemberListen } from './member-listen.ts'

const acknowledged = 'notifications/subscriptions/acknowledged'

export class GroupSubscription implements OpenRequest, ResponseOwner, ChangeHearer {
  readonly endless = true
  readonly principalId: string
  readonly owner: CredentialOwner | null
  readonly grants: Grants | null
  readonly clientKey: string
  readonly serverName: string
  place = 0
  readonly #group: Group
  readonly #client: GroupRequest
  readonly #idText: string
  readonly #response: ModernResponse
  /** Of its text, for as long as it lasts. */
  readonly #held: LedgerEntry | null
  #listen: Listen
  readonly #members = new Map<string, MemberListen>()
  /** What the client has asked for, by the member that has it: the client's URIs by the member's own. */
  #uris: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map()

  /** Throws SESSIONS_EXHAUSTED or BYTES_EXHAUSTED at a bound. */
  constructor(group: Group, inbound: GroupInbound) {
    this.#group = group
    this.#client = new GroupRequest(group, inbound)
    this.#idText = idTextOf(inbound.message)
    this.principalId = inbound.principalId
    this.grants = inbound.principal.grants
    this.owner = ownerOf(inbound.principal)
    this.clientKey = inbound.clientKey
    this.serverName = group.key
    const { requests } = group.parts
    this.#response = new ModernResponse(inbound.acceptsStream, requests.settings, this)
    const { text, paramsStart, paramsEnd } = inbound.message
    this.#held = requests.hold(inbound.clientKey, text.slice(paramsStart, paramsEnd), true)
    try {
      requests.add(this)
    } catch (thrown) {
      this.#held?.close()
      throw thrown
    }
    const [listen, effects] = startListen(this.#idText, inbound.route.params, factsOf(group))
    this.#listen = listen
    const [first] = effects
    if (first?.kind === 'fail') {
      this.#leave()
      this.#response.finish(
        rpcError(this.#idText, first.failure.text),
        modernErrorStatus(first.failure.code),
        endingOfFailure(first.failure),
      )
      return
    }
    group.hear(this)
    void this.#begin()
  }

  get reply(): Promise<ModernReply> {
    return this.#response.reply
  }

  openEntry(giveUp: () => void): LedgerEntry {
    return this.#group.parts.requests.openEntry(this.clientKey, giveUp)
  }

  watchClient(): void {
    this.#response.watch(this.#client.inbound.request)
  }

  clientGone(): void {
    this.#leave()
  }

  sweep(nowMs: number): void {
    this.#response.sweep(nowMs)
  }

  abort(error: GatewayError): void {
    if (this.#listen.over) return
    const [, effects] = stepListen(this.#listen, { kind: 'ended' })
    const answer = effects.find((effect) => effect.kind === 'answer')
    this.#leave()
    if (endsWell.has(error.code) && answer)
      this.#response.finish(rpcResult(this.#idText, answer.result), 200, plainEndings.ok)
    else
      this.#response.finish(
        rpcErrorText(error, this.#idText),
        modernErrorStatus(error.rpcCode),
        endingOfError(error),
      )
  }

  // What happens to the group.

  get visible(): readonly string[] {
    return this.#client.view.serverNames
  }

  sees(serverName: string): boolean {
    return this.#client.view.member(serverName) !== undefined
  }

  listsChanged(lists: readonly ChangedList[]): void {
    if (lists.includes('resources')) this.#client.uriShowing.forget()
    for (const [method, { capability }] of listChanges)
      if (lists.includes(capability)) this.#notify(method, null)
  }

  membersChanged(): void {
    for (const [name, member] of this.#members) {
      if (this.sees(name)) continue
      this.#members.delete(name)
      member.close()
    }
    this.#join()
  }

  memberUp(): void {
    this.#join()
  }

  async #begin(): Promise<void> {
    const uris = await this.#ownedUris()
    if (this.#listen.over) return
    this.#uris = uris
    this.#join()
    const accepted = (
      await Promise.all([...uris].map(([server, own]) => this.#acceptedBy(server, own)))
    ).flat()
    if (this.#listen.over) return
    this.#acknowledge(accepted)
  }

  /** Whose the URIs are that the client has asked for; those of nobody, and those that it may not use, are left out. */
  async #ownedUris(): Promise<Map<string, Map<string, string>>> {
    const byServer = new Map<string, Map<string, string>>()
    const { view } = this.#client
    for (const asked of this.#listen.uris) {
      if (!view.opensUri('resource', asked)) continue
      const owner = await this.#client.uriShowing.owner(asked)
      if (owner.kind !== 'known') continue
      if (view.member(owner.server)?.reach.allows('resource', owner.uri) !== true) continue
      const own = byServer.get(owner.server) ?? new Map<string, string>()
      byServer.set(owner.server, own.set(owner.uri, asked))
    }
    return byServer
  }

  /** Those of these URIs that the member takes, as the client named them; none when it does not answer in time. */
  async #acceptedBy(server: string, own: ReadonlyMap<string, string>): Promise<string[]> {
    const accepted = await this.#members.get(server)?.accepted(this.#group.listWaitMs)
    return (accepted ?? []).flatMap((uri) => own.get(uri) ?? [])
  }

  #acknowledge(uris: readonly string[]): void {
    const honored: Record<string, unknown> = {}
    for (const method of this.#listen.lists) {
      const row = listChanges.get(method)
      if (row) honored[row.field] = true
    }
    const filter = this.#client.inbound.route.params['notifications']
    if (isObject(filter) && filter['resourceSubscriptions'] !== undefined)
      honored['resourceSubscriptions'] = uris
    this.#send(acknowledged, JSON.stringify({ notifications: honored }))
  }

  /** Listens at each member that is there, has something to say, and is not listened to yet. */
  #join(): void {
    for (const { name, server } of this.#client.view.members) {
      if (server?.state !== 'connected' || this.#members.has(name)) continue
      const uris = [...(this.#uris.get(name)?.keys() ?? [])]
      const lists = this.#listen.lists.filter((method) => announces(server.facts, method))
      if (uris.length === 0 && lists.length === 0) continue
      const member = new MemberListen(
        this.#client,
        server,
        { lists, uris },
        {
          heard: (method, params) => this.#heard(name, method, params),
          missed: () => this.#missed(name, lists),
          over: () => {
            if (this.#members.get(name) === member) this.#members.delete(name)
            // It may be back already.
            if (!this.#listen.over) this.#join()
          },
        },
      )
      this.#members.set(name, member)
    }
  }

  #heard(server: string, method: string, params: string | null): void {
    const change = listChanges.get(method)
    if (change) this.#group.changes.note(this, [change.capability])
    else if (method === 'notifications/resources/updated' && params !== null) {
      const value = parsed(params)
      const own = isObject(value) ? value['uri'] : null
      if (typeof own !== 'string') return
      const uri = this.#uris.get(server)?.get(own) ?? this.#client.uriShowing.known(server, own)
      this.#send(method, JSON.stringify({ ...(value as object), uri }))
    } else this.#send(method, params)
  }

  /** While nobody listened at this member, anything may have changed. */
  #missed(server: string, lists: readonly string[]): void {
    this.#group.changes.note(
      this,
      lists.flatMap((method) => listChanges.get(method)?.capability ?? []),
    )
    for (const uri of this.#uris.get(server)?.values() ?? [])
      this.#send('notifications/resources/updated', JSON.stringify({ uri }))
  }

  /** A change of a list, if the client wants to know. */
  #notify(method: string, params: string | null): void {
    if (this.#listen.lists.includes(method)) this.#send(method, params)
  }

  #send(method: string, params: string | null): void {
    if (!this.#listen.over) this.#response.notify(rpcNotification(method, stamped(params, this.#idText)))
  }

  #leave(): void {
    if (this.#listen.over) return
    this.#listen = { ...this.#listen, over: true }
    this.#group.changes.delete(this)
    for (const member of this.#members.values()) member.close()
    this.#members.clear()
    this.#held?.close()
    this.#group.parts.requests.delete(this)
  }
}

/** A group can announce every change. */
function factsOf(group: Group): ServerFacts {
  const identity = JSON.stringify(infoOf(group.identity))
  return { era: 'modern', version: latestModernVersion, capabilities, identity, resultText: '{}' }
}

function announces(facts: ServerFacts | null, method: string): boolean {
  const declared = facts?.capabilities[listChanges.get(method)?.capability ?? '']
  return isObject(declared) && declared['listChanged'] === true
}
