/** `POST /admin/try`: whether a definition works, before it is registered (upstream/server/trial.ts). */
import { GatewayError, revokedError } from '../../../errors.ts'
import { isObject } from '../../../protocol/json.ts'
import { secretValuesOf } from '../../../registry/definition-wire.ts'
import { mergeMasked } from '../../../registry/merge-masked.ts'
import { createMask, type Mask, maskJson } from '../../../telemetry/redaction.ts'
import type { ToolDescription, Trial } from '../../../upstream/server/directory.ts'
import { answer } from '../../api/operation.ts'
import type { TrialAnswer } from '../../api/trial-operations.ts'
import { contextOf, requireAdmitted } from '../../context.ts'
import { readJson } from './body.ts'
import type { AdminParts } from './parts.ts'
import { queryDurationMs } from './query.ts'
import { audit, definitionOf, maskedStatus, now } from './servers.ts'

const startMs = 30_000
const startMsMax = 60_000
/** Tools that stand in the answer, and how much of what they say. */
const toolsMax = 500
const descriptionCharsMax = 300

export async function tryServer(parts: AdminParts, request: Request): Promise<Response> {
  const waitMs = queryDurationMs(request, 'wait', startMsMax) ?? startMs
  const body = await readJson(request, parts.config.limits.bodyBytesMax)
  const definition = definitionOf(parts, withStoredSecrets(parts, body), { now: now(parts) })
  if (definition.group !== null)
    throw new GatewayError(
      'DEFINITION_INVALID',
      'transport: a group starts nothing, so there is nothing to try.',
    )
  contextOf(request).log.mcp = definition.name
  await parts.gate(definition)
  // The gate asks a name server, which may be the caller's own.
  requireAdmitted(contextOf(request))
  audit(parts, request, { action: 'try', name: definition.name, before: null, after: definition })
  const awaited = parts.streams.await(request)
  try {
    const { signal } = awaited
    const listMs = parts.toolsListMs
    const found = await parts.directory.try(definition, { startMs: waitMs, listMs, signal })
    if (signal.aborted && !request.signal.aborted) throw revokedError()
    return answer('tryServer', 200, shown(found, waitMs, createMask(secretValuesOf(definition))))
  } finally {
    awaited.end()
  }
}

/** Those of a server of the file stay where they are: it cannot be edited here. */
function withStoredSecrets({ directory }: AdminParts, body: unknown): unknown {
  const name = isObject(body) ? body['name'] : undefined
  const known = typeof name === 'string' ? directory.get(name) : undefined
  return known === undefined || known.origin === 'file' ? body : mergeMasked(body, known.definition)
}

/** What a server says may quote the credentials that it was given. */
function shown({ status, tools, toolsError, tookMs }: Trial, waitMs: number, mask: Mask): TrialAnswer {
  const reached = status.status === 'connected'
  const listed: readonly ToolDescription[] = JSON.parse(
    maskJson(mask, JSON.stringify((tools ?? []).slice(0, toolsMax))),
  )
  const works = reached && toolsError === null
  return {
    works,
    message: mask(messageOf({ status, tools, toolsError, tookMs }, waitMs)),
    tookMs: Math.round(tookMs),
    toolCount: tools?.length ?? null,
    tools: listed.map(({ name, description }) => ({
      name,
      description: typeof description === 'string' ? description.slice(0, descriptionCharsMax) : '',
    })),
    status: { ...maskedStatus(status, mask), closed: null, login: null },
  }
}

function messageOf({ status, tools, toolsError }: Trial, waitMs: number): string {
  if (status.status !== 'connected')
    return status.reason ?? status.lastError ?? `It was not there within ${waitMs / 1_000} s.`
  if (toolsError !== null) return `It was reached, and did not list its tools: ${toolsError}`
  return tools === null ? 'It works.' : `It works, and lists ${tools.length} tools.`
}
