import { describe, expect, test } from 'bun:test'
import * as sdkModern from '@modelcontextprotocol/client'
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import {
  claimedEra,
  clientRequests,
  eraOfVersion,
  legacyVersionHas,
  legacyVersions,
  modernErrorStatus,
  modernVersions,
  negotiateLegacyVersion,
  reachesLevel,
} from '../../src/protocol/eras.ts'

describe('versions', () => {
  test('speaks every legacy version that the official SDK speaks, in its order', () => {
    expect<readonly string[]>(legacyVersions).toEqual(SUPPORTED_PROTOCOL_VERSIONS)
  })

  test('speaks 2026-07-28, and no version belongs to two eras', () => {
    expect<readonly string[]>(modernVersions).toEqual(['2026-07-28'])
    expect(eraOfVersion.size).toBe(legacyVersions.length + modernVersions.length)
  })

  test.each([
    { requested: '2025-11-25', version: '2025-11-25', why: 'it is spoken' },
    { requested: '2024-11-05', version: '2024-11-05', why: 'an old client is answered in its own version' },
    { requested: '2024-10-07', version: '2024-10-07', why: 'a pre-release that old SDKs ask for' },
    { requested: '2025-09-01', version: '2025-06-18', why: 'the newest that a client of that date knows' },
    { requested: '2026-07-28', version: '2025-11-25', why: 'a handshake never leads into the modern era' },
    { requested: '2099-01-01', version: '2025-11-25', why: 'a later client knows the newest legacy version' },
    {
      requested: '2020-01-01',
      version: '2025-11-25',
      why: 'older than all: the specification says offer the latest',
    },
    { requested: 'v1', version: '2025-11-25', why: 'no date tells nothing' },
    { requested: 7, version: '2025-11-25', why: 'no string tells nothing' },
    { requested: undefined, version: '2025-11-25', why: 'a client that forgets it is served' },
  ])('answers initialize for $requested with $version: $why', ({ requested, version }) => {
    expect<string>(negotiateLegacyVersion(requested)).toBe(version)
  })

  test.each([
    { version: '2025-11-25', era: 'legacy', why: 'spoken' },
    { version: '2026-07-28', era: 'modern', why: 'spoken' },
    { version: '2026-09-09', era: 'modern', why: 'later revisions are stateless too' },
    { version: '2026-07-27', era: 'legacy', why: 'the day before' },
    { version: 'DRAFT-2026-v1', era: 'modern', why: 'drafts sort behind digits, and are modern' },
    { version: '', era: 'legacy', why: 'nothing claims nothing' },
  ])('takes $version for $era: $why', ({ version, era }) => {
    expect<string>(claimedEra(version)).toBe(era)
  })

  test('batches exist in 2025-03-26 alone', () => {
    expect(legacyVersions.filter((version) => legacyVersionHas(version, 'batch'))).toEqual(['2025-03-26'])
  })

  test('streams begin with an id from 2025-11-25 on', () => {
    expect(legacyVersions.filter((version) => legacyVersionHas(version, 'priming'))).toEqual(['2025-11-25'])
  })
})

describe('method tables', () => {
  test('what changed between the eras', () => {
    const modern = new Set(clientRequests.modern.keys())
    const legacy = clientRequests.legacy
    expect([...legacy].filter((method) => !modern.has(method))).toEqual([
      'initialize',
      'ping',
      'logging/setLevel',
      'resources/subscribe',
      'resources/unsubscribe',
      'tasks/result',
      'tasks/list',
    ])
    expect([...modern].filter((method) => !legacy.has(method))).toEqual([
      'server/discover',
      'subscriptions/listen',
      'tasks/update',
    ])
  })

  test('three requests may ask their client', () => {
    const asking = [...clientRequests.modern].filter(([, row]) => row.mayAsk).map(([method]) => method)
    expect(asking.sort()).toEqual(['prompts/get', 'resources/read', 'tools/call'])
  })

  test('six results carry cache hints', () => {
    const cacheable = [...clientRequests.modern].filter(([, row]) => row.cacheable).map(([method]) => method)
    expect(cacheable.sort()).toEqual([
      'prompts/list',
      'resources/list',
      'resources/read',
      'resources/templates/list',
      'server/discover',
      'tools/list',
    ])
  })

  test('reserved keys are those of the SDK', async () => {
    const { metaKeys } = await import('../../src/protocol/eras.ts')
    expect<string>(metaKeys.protocolVersion).toBe(sdkModern.PROTOCOL_VERSION_META_KEY)
    expect<string>(metaKeys.clientInfo).toBe(sdkModern.CLIENT_INFO_META_KEY)
    expect<string>(metaKeys.clientCapabilities).toBe(sdkModern.CLIENT_CAPABILITIES_META_KEY)
    expect<string>(metaKeys.logLevel).toBe(sdkModern.LOG_LEVEL_META_KEY)
    expect<string>(metaKeys.serverInfo).toBe(sdkModern.SERVER_INFO_META_KEY)
    expect<string>(metaKeys.subscriptionId).toBe(sdkModern.SUBSCRIPTION_ID_META_KEY)
  })
})

describe('levels and statuses', () => {
  test.each([
    { level: 'error', floor: 'warning', reaches: true, why: 'it is more severe' },
    { level: 'warning', floor: 'warning', reaches: true, why: 'it is the floor' },
    { level: 'debug', floor: 'info', reaches: false, why: 'it is more verbose' },
    { level: 'loud', floor: 'emergency', reaches: true, why: 'what is not understood is not lost' },
  ] as const)('$level reaches $floor: $reaches, because $why', ({ level, floor, reaches }) => {
    expect(reachesLevel(level, floor)).toBe(reaches)
  })

  test.each([
    { code: -32601, status: 404 },
    { code: -32020, status: 400 },
    { code: -32021, status: 400 },
    { code: -32022, status: 400 },
    { code: -32602, status: 200 },
    { code: -32603, status: 200 },
    { code: -32002, status: 200 },
    { code: 42, status: 200 },
  ])('a modern error $code travels with HTTP $status', ({ code, status }) => {
    expect<number>(modernErrorStatus(code)).toBe(status)
  })
})
