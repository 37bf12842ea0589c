/** What the doctor asks a running gateway: whether it is there, which it is, and how its servers fare. */
import { networkInterfaces } from 'node:os'
import { version } from '../../../package.json'
import type { FlagTexts } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { CommandError } from '../../errors.ts'
import type { ServerList, ServerView } from '../../http/api/answers.ts'
import { urlHost } from '../../net/host.ts'
import { jsonIn } from '../../protocol/json.ts'
import { type AdminApi, adminApi } from '../admin/admin-api.ts'
import { cell, type Received, received, receivedList } from '../admin/received.ts'
import { ageOf, reasonOf, stateWord, statusOf } from '../admin/server-state.ts'
import { approvalsOf } from '../approvals/shown-approvals.ts'
import { directWhenLocal, unreachableReason } from '../gateway-fetch.ts'
import { counted } from '../terminal/units.ts'
import { type Finding, fault, note, ok, warning } from './finding.ts'

const answerMsMax = 5_000
/** Of the addresses of this machine, which are near or not there. */
const addressMsMax = 1_000
const addressesMax = 8
/** Beyond this, tokens that expire and the ages of servers mislead. */
const clockMsMax = 5_000

export async function gatewayFindings(flags: FlagTexts): Promise<Finding[]> {
  const api = await adminApi(flags)
  const alive = await aliveFinding(api.base)
  if (alive.some(({ result }) => result === 'fault')) return alive
  try {
    const list = await api.request<ServerList>('GET', '/mcps')
    return [
      ...alive,
      ...(await versionFindings(api)),
      ...serversFindings(list),
      ...(await pinningFindings(api)),
    ]
  } catch (thrown) {
    if (!(thrown instanceof CommandError)) throw thrown
    const [finding = '', asksForToken] = thrown.message.split(' Give one with --token.')
    // Where a token is asked for, it is asked for on the gateway's machine too.
    const cure =
      asksForToken === undefined
        ? 'Give an admin token with --token, or ask from the machine of the gateway.'
        : 'Give one with --token, or name the configuration with auth.admin_tokens by --config.'
    return [...alive, fault('admin API', finding, cure)]
  }
}

async function aliveFinding(base: string): Promise<Finding[]> {
  const check = 'gateway'
  try {
    const signal = AbortSignal.timeout(answerMsMax)
    const response = await fetch(`${base}/healthz`, { redirect: 'manual', signal, ...directWhenLocal(base) })
    const text = await response.text()
    const { status } = received<{ status: string }>(jsonIn(text))
    if (response.ok && status === 'ok')
      return [ok(check, base), ...clockFindings(response.headers.get('date'))]
    if (status === 'draining') return [fault(check, `${base} is shutting down`, 'Start it again.')]
    return [
      fault(
        check,
        `what answers at ${base} is no gateway: HTTP ${response.status}`,
        'Another program has the port; name the gateway with --url.',
      ),
    ]
  } catch (thrown) {
    const finding = `nobody answers at ${base}: ${unreachableReason(thrown)}`
    return [fault(check, finding, '"compozy mcp-proxy" starts a gateway; one elsewhere is named with --url.')]
  }
}

/** An address of this machine at which others reach the gateway of this configuration; null where there is none. */
export async function openAddress({ port, tls }: Pick<Config, 'port' | 'tls'>): Promise<string | null> {
  const addresses = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
    .slice(0, addressesMax)
  const asked = addresses.map(async ({ address }): Promise<string | null> => {
    const scheme = tls.certFile === null ? 'http' : 'https'
    const url = `${scheme}://${urlHost(address)}:${port}/healthz`
    try {
      const signal = AbortSignal.timeout(addressMsMax)
      const response = await fetch(url, {
        redirect: 'manual',
        signal,
        proxy: false,
        // Only whether anybody answers is looked at, and nothing is told.
        tls: { rejectUnauthorized: false },
      })
      const { status, code } = received<{ status: string; code: string }>(jsonIn(await response.text()))
      // A host that it does not serve is refused by it all the same.
      return typeof status === 'string' || typeof code === 'string' ? address : null
    } catch {
      return null
    }
  })
  return (await Promise.all(asked)).find((address) => address !== null) ?? null
}

function clockFindings(date: string | null): Finding[] {
  const theirsMs = date === null ? Number.NaN : Date.parse(date)
  if (Number.isNaN(theirsMs)) return []
  // The header has whole seconds.
  const apartMs = Math.abs(Date.now() - theirsMs)
  if (apartMs <= clockMsMax) return [ok('clock', 'agrees with that of the gateway')]
  const apart = counted(Math.round(apartMs / 1000), 'second')
  return [warning('clock', `is ${apart} apart from that of the gateway`, 'Set both by a time server.')]
}

async function versionFindings(api: AdminApi): Promise<Finding[]> {
  const { info } = await api.request<{ info: unknown }>('GET', '/openapi.json')
  const theirs = cell(received<{ version: string }>(info).version)
  if (theirs === version) return [ok('version', version)]
  const finding = `the gateway is ${theirs === '' ? 'of an unknown version' : theirs}, this command ${version}`
  return [warning('version', finding, 'Start the gateway anew, or use the command of its version.')]
}

function serversFindings(list: Received<ServerList>): Finding[] {
  const servers = receivedList<ServerView>(list.mcps)
  if (servers.length === 0)
    return [note('servers', 'there are none; "compozy servers add --help" shows how to add one')]
  return servers.map((server): Finding => {
    const status = statusOf(server)
    const name = cell(received<ServerView['definition']>(server.definition).name)
    const check = `server ${name}`
    const age = ageOf(status, Date.now())
    const state = `${stateWord(status)}${age === '' ? '' : ` for ${age}`}`
    const reason = reasonOf(status)
    if (stateWord(status) === 'disabled')
      return note(check, `${state}; "compozy servers enable ${name}" switches it on`)
    if (status.status === 'error')
      return fault(check, `${state}: ${reason}`, `"compozy servers get ${name}" shows more.`)
    return reason === '' ? ok(check, state) : warning(check, `${state}: ${reason}`)
  })
}

/** Tools that clients miss because nobody has approved them; none where the gateway does not say. */
async function pinningFindings(api: AdminApi): Promise<Finding[]> {
  const answer = await approvalsOf(api, null).catch((thrown: unknown) => {
    if (thrown instanceof CommandError) return null
    throw thrown
  })
  return (answer?.servers ?? [])
    .filter(({ pinned, pending }) => pinned && pending.length > 0)
    .map(({ server, pending }) =>
      warning(
        `pinning ${server}`,
        `held back until approved: ${counted(pending.length, 'tool')}; "compozy approvals show ${server}" shows what differs`,
      ),
    )
}
