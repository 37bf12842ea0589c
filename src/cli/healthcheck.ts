/** `compozy healthcheck`: for container images that have neither a shell nor wget. */

import { type ArgsDef, defineCommand } from 'citty'
import { duration } from '../config/values.ts'
import { CommandError, UsageError } from '../errors.ts'
import { objectIn } from '../protocol/json.ts'
import { parseArguments } from './arguments.ts'
import { findingFlags, urlFlag } from './config-flags.ts'
import { addressOf, gatewayUrl, readSettings } from './configuration.ts'
import { directWhenLocal, unreachableReason } from './gateway-fetch.ts'
import { print } from './terminal/output.ts'

const args: ArgsDef = {
  timeout: { type: 'string', valueHint: 'duration', description: 'Longest wait for the answer.\ndefault 3s' },
  url: urlFlag,
  json: { type: 'boolean', description: 'Prints JSON, for programs.' },
  ...findingFlags,
}

export const healthcheck = defineCommand({
  meta: {
    name: 'healthcheck',
    description: 'Exits with 0 when the gateway is healthy, else with 1 and the reason.',
  },
  args,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, args)
    const timeout = duration(1).read(flags['timeout']?.at(-1) ?? '3s')
    if ('fault' in timeout) throw new UsageError(`--timeout ${timeout.fault}`)
    const address = flags['url'] === undefined ? await readSettings(flags, addressOf) : null
    const base = await gatewayUrl(flags, address)
    const url = base.endsWith('/healthz') ? base : `${base}/healthz`
    await check(url, timeout.value)
    if (flags['json']?.at(-1) === 'true') print(JSON.stringify({ healthy: true, url }))
    return 0
  },
})

/** A redirect counts as unhealthy: whatever answers there, it is not the gateway. */
async function check(url: string, timeoutMs: number): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs)
  const response = await fetch(url, { redirect: 'manual', signal, ...directWhenLocal(url) }).catch(
    (thrown: unknown) => {
      throw new CommandError(`${url} does not answer: ${unreachableReason(thrown)}`)
    },
  )
  const body = await response.text().catch(() => '')
  if (response.status !== 200) {
    throw new CommandError(`${url} answered ${response.status} ${body.slice(0, 200)}`.trim())
  }
  if (objectIn(body)?.['status'] !== 'ok')
    throw new CommandError(`what answers at ${url} is no gateway: it does not say {"status":"ok"}`)
}
