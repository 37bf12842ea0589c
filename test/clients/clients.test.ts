/**
 * The official SDKs of Python and Go against the executable: nothing works direct that does not work through it.
 * All the others: `bun run clients`. What they need is installed once, below the user's cache folder.
 */
import { beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repository } from '../support/gateway.ts'
import { officialClients } from './clients.ts'
import { losses } from './compare.ts'
import { type FeatureName, featureNames, type Outcome, type Outcomes, readLine } from './features.ts'
import { runPair } from './run.ts'
import { missingFor } from './toolchain.ts'

/** From nothing, on a machine that runs other tests at the same time. */
const installMs = 400_000

const worked: Outcome = { ok: true, detail: '' }
const failed: Outcome = { ok: false, detail: 'why' }

function outcomes(...told: readonly (readonly [FeatureName, Outcome])[]): Outcomes {
  return new Map([['initialize', worked], ...told])
}

describe('what counts as lost', () => {
  test.each([
    {
      why: 'it works direct and fails through the gateway',
      direct: outcomes(['call', worked]),
      proxied: outcomes(['call', failed]),
      lost: [{ feature: 'call', detail: 'why' }],
    },
    {
      why: 'it works direct and the program never came to it behind the gateway',
      direct: outcomes(['call', worked]),
      proxied: outcomes(),
      lost: [{ feature: 'call', detail: 'not reached' }],
    },
    {
      why: 'a crash must be told whatever happens without a gateway',
      direct: outcomes(),
      proxied: outcomes(['crash', failed]),
      lost: [{ feature: 'crash', detail: 'why' }],
    },
    {
      why: 'what cannot be opened is one loss, not twenty',
      direct: outcomes(['call', worked]),
      proxied: new Map([['initialize', failed]]) as Outcomes,
      lost: [{ feature: 'initialize', detail: 'why' }],
    },
    {
      why: 'what fails direct too is not owed',
      direct: outcomes(['call', failed]),
      proxied: outcomes(['call', failed]),
      lost: [],
    },
    { why: 'a client may lack a feature', direct: outcomes(), proxied: outcomes(), lost: [] },
  ] as const)('$why', ({ direct, proxied, lost }) => {
    expect(losses(direct, proxied)).toEqual([...lost])
  })

  test('takes the lines of programs, and nothing else that they print', () => {
    expect(readLine('{"feature": "call", "ok": true, "detail": ""}')).toEqual({
      feature: 'call',
      outcome: worked,
    })
    expect(readLine('{"feature": "cull", "ok": true}')).toBeNull()
    expect(readLine('{"feature": "call", "ok": "yes"}')).toBeNull()
    expect(readLine('{"level": 30,')).toBeNull()
    expect(readLine('INFO connected')).toBeNull()
  })
})

test('docs/CLIENTS.md tells of the clients and versions that are pinned', () => {
  const document = readFileSync(join(repository, 'docs', 'CLIENTS.md'), 'utf8')
  const rows = [...document.matchAll(/^\| (.+?) \| \/(stream|sse) \|/gm)].map(
    ([, name, at]) => `${name} /${at}`,
  )
  const pinned = officialClients.flatMap(({ name, version, endpoints }) =>
    endpoints.map((endpoint) => `${name} ${version} /${endpoint}`),
  )
  expect(rows).toEqual(pinned)
})

for (const client of officialClients.filter(({ inSuite }) => inSuite)) {
  const lacking = missingFor(client.language)
  if (lacking !== null) console.log(`${client.name} is left out: ${lacking}`)

  describe.skipIf(lacking !== null)(`${client.name} ${client.version}`, () => {
    beforeAll(async () => {
      await client.command()
    }, installMs)

    test.each([...client.endpoints])('loses nothing through the gateway on /%s', async (endpoint) => {
      const { direct, proxied } = await runPair(client, endpoint)
      expect(losses(direct, proxied)).toEqual([])
      // A program that tells nothing has lost nothing: every feature must have been tried.
      expect([...direct.keys()].sort()).toEqual(featureNames.filter((name) => name !== 'crash').sort())
      expect([...proxied.keys()].sort()).toEqual([...featureNames].sort())
    })
  })
}
