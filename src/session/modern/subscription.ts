/**
 * A stateless client's `subscriptions/listen` on a legacy server: the gateway's own stream, fed from a lane
 * that it shares with others of its principal (protocol/bridge/listen.ts).
 */

import { mayHear } from '../../access/items.ts'
import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import { type Grants, reachOf } from '../../access/reach.ts'
import { GatewayError, rpcErrorText } from '../../errors.ts'
import { type Listen, startListen, stepListen } from '../../protocol/bridge/listen.ts'
import type { ListenEffect, ListenEvent, ServerFacts } from '../../protocol/bridge/types.ts'
import { modernErrorStatus } from '../../protocol/eras.ts'
import type { JsonObject } from '../../protocol/json.ts'
import { type MessageText, memberSpan, rpcError, rpcNotification, rpcResult } from '../../protocol/jsonrpc.ts'
import type { LedgerEntry } from '../../runtime/byte-ledger.ts'
import { endingOfError, plainEndings } from '../../telemetry/call-ending.ts'
import type { LaneClient } from '../../upstream/connection/client.ts'
import { endingOfFailure } from '../../upstream/connection/endings.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import { LaneLosses, retryMs } from '../lane-losses.ts'
import type { ModernRequest } from './call-driver.ts'
import { endsWell, type ModernRequests, type OpenRequest } from './requests.ts'
import {
  type AnswerSink,
  type ModernReply,
  type ResponseOwner,
  respondTo,
  type WaitingClient,
} from './response.ts'

export class Subscription implements OpenRequest, LaneClient, ResponseOwner {
  readonly id: string
  readonly principalId: string
  readonly owner: CredentialOwner | null
  readonly grants: Grants | null
  readonly clientKey: string
  readonly serverName: string
  readonly interactive = false
  readonly endless = true
  readonly headers = undefined
  place = 0
  readonly #requests: Pick<ModernRequests, 'settings' | 'add' | 'delete' | 'hold' | 'openEntry'>
  /** The URIs that it is for. */
  readonly #held: LedgerEntry | null
  readonly #leaseAgain: () => Promise<Lane> | undefined
  readonly #idText: string
  readonly #client: WaitingClient
  readonly #response: AnswerSink
  #lane: Lane
  readonly #laneLosses = new LaneLosses()
  #listen: Listen

  /** `leaseAgain` answers a lane of the server as it is registered now, undefined once it is gone. */
  constructor(
    requests: Pick<ModernRequests, 'settings' | 'add' | 'delete' | 'hold' | 'openEntry'>,
    leaseAgain: () => Promise<Lane> | undefined,
    lane: Lane,
    facts: ServerFacts,
    request: ModernRequest,
    params: JsonObject,
  ) {
    this.#requests = requests
    this.#leaseAgain = leaseAgain
    this.#lane = lane
    this.#idText = request.idText
    this.principalId = request.binding.principalId
    this.grants = request.grants
    this.owner = request.owner
    this.clientKey = request.clientKey
    this.serverName = request.binding.serverName
    this.id = `listen ${crypto.randomUUID()}`
    this.#client = request.client
    this.#response = respondTo(request, requests.settings, this)
    this.#held = requests.hold(request.clientKey, request.paramsText, true)
    this.#countIn()
    lane.join(this)
    const [listen, effects] = startListen(request.idText, params, facts)
    this.#listen = listen
    for (const effect of effects) this.#carryOut(effect)
  }

  get reply(): Promise<ModernReply> {
    return this.#response.reply
  }

  /** Never asked: a stream that only listens has no `initialize` of its own. */
  get initialize(): MessageText {
    throw new GatewayError('INTERNAL', 'A subscription opens no connection.')
  }

  notify(message: MessageText): void {
    const span = memberSpan(message.text, 0, 'params')
    const params = span && message.text.slice(span.start, span.end)
    if (
      !mayHear(
        () => reachOf(this.grants, this.#lane.definition),
        message.method ?? '',
        () => params,
      )
    )
      return
    this.#handle({ kind: 'notification', method: message.method ?? '', params })
  }

  openEntry(giveUp: () => void): LedgerEntry {
    return this.#requests.openEntry(this.clientKey, giveUp)
  }

  ask(): void {}
  withdraw(): void {}

  laneLost(): void {
    void this.#rejoin()
  }

  watchClient(): void {
    this.#response.watch(this.#client)
  }

  clientGone(): void {
    this.#handle({ kind: 'closed' })
  }

  sweep(nowMs: number): void {
    this.#response.sweep(nowMs)
  }

  abort(error: GatewayError): void {
    if (this.#listen.over) return
    if (endsWell.has(error.code)) {
      this.#handle({ kind: 'ended' })
      return
    }
    this.#leave()
    this.#response.finish(
      rpcErrorText(error, this.#idText),
      modernErrorStatus(error.rpcCode),
      endingOfError(error),
    )
  }

  #handle(event: ListenEvent): void {
    const [listen, effects] = stepListen(this.#listen, event)
    this.#listen = listen
    for (const effect of effects) this.#carryOut(effect)
  }

  #carryOut(effect: ListenEffect): void {
    switch (effect.kind) {
      case 'notify':
        this.#response.notify(rpcNotification(effect.method, effect.params))
        return
      case 'subscribe':
        this.#lane.subscriptions.subscribe(this, effect.uri)
        return
      case 'unsubscribe':
        // Leaving the lane takes all of them back at once.
        return
      case 'answer':
        this.#leave()
        this.#response.finish(rpcResult(this.#idText, effect.result), 200, plainEndings.ok)
        return
      case 'fail': {
        this.#leave()
        const text = rpcError(this.#idText, effect.failure.text)
        this.#response.finish(text, modernErrorStatus(effect.failure.code), endingOfFailure(effect.failure))
        return
      }
      case 'end':
        this.#leave()
        this.#response.finish(null, 200, plainEndings.ok)
    }
  }

  #countIn(): void {
    try {
      this.#requests.add(this)
    } catch (thrown) {
      this.#held?.close()
      throw thrown
    }
  }

  #leave(): void {
    this.#held?.close()
    this.#lane.leave(this)
    this.#requests.delete(this)
  }

  /** The server was lost: waits until it is back, asks for the same again and says that all may have changed. */
  async #rejoin(): Promise<void> {
    const before = this.#lane
    await Bun.sleep(this.#laneLosses.pauseMs(performance.now()))
    while (!this.#listen.over) {
      const lease = this.#leaseAgain()
      if (!lease) {
        this.#handle({ kind: 'ended' })
        return
      }
      try {
        const lane = await lease
        if (this.#listen.over) return
        this.#lane = lane
        lane.join(this)
        for (const uri of this.#listen.uris) lane.subscriptions.subscribe(this, uri)
        before.leave(this)
        this.#handle({ kind: 'restarted' })
        return
      } catch (thrown) {
        await Bun.sleep(retryMs(thrown))
      }
    }
  }
}
