/** Keys over HTTP: `/admin/keys` and below it (CONTRACT.md, "Keys"). The text of a key is in one answer and nowhere else. */
import { type Static, type TObject, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { unknownServersOf } from '../../../config/doubts.ts'
import { GatewayError } from '../../../errors.ts'
import type { KeyReport } from '../../../identity/keys/key-admin.ts'
import { keyChangeSchema, newKeySchema } from '../../../registry/access/key-schema.ts'
import { ruleOf } from '../../../registry/access/rule-schema.ts'
import { formatDuration, parseDuration } from '../../../registry/duration.ts'
import { problemsOf, sentenceOf } from '../../../registry/problems.ts'
import { answer } from '../../api/operation.ts'
import { contextOf } from '../../context.ts'
import { replyEmpty } from '../../reply.ts'
import { readJson } from './body.ts'
import type { AdminParts } from './parts.ts'
import { querySwitch } from './query.ts'

/** How long the secret before a rotation counts, where nobody says otherwise, and at most. */
const overlapMs = 24 * 60 * 60_000
const overlapMsMax = 7 * overlapMs

/** So many of them are told. */
const doubtsMax = 3

const rotationSchema = Type.Object(
  { overlap: Type.Optional(Type.String({ maxLength: 64, description: 'a duration such as 24h' })) },
  { additionalProperties: false, description: 'an object' },
)

export async function listKeys(parts: AdminParts): Promise<Response> {
  const keys = (await parts.keys()).list()
  return answer('listKeys', 200, { keys, count: keys.length })
}

export async function getKey(parts: AdminParts, id: string): Promise<Response> {
  return answer('getKey', 200, { key: (await parts.keys()).get(id) })
}

export async function createKey(parts: AdminParts, request: Request): Promise<Response> {
  const wire = await readChecked(parts, request, newKeySchema)
  const { text, report, note } = (await parts.keys()).create(wire)
  tell(parts, request, { action: 'create key', before: null, after: report })
  const said = [
    `The key ${report.name} is made. Its text is shown this once.`,
    note,
    doubtAbout(parts, report),
  ]
  const message = said.filter((part) => part !== null).join(' ')
  return answer('createKey', 201, { message, text, key: report })
}

export async function changeKey(parts: AdminParts, request: Request, id: string): Promise<Response> {
  const wire = await readChecked(parts, request, keyChangeSchema)
  const keys = await parts.keys()
  const before = keys.get(id)
  const after = keys.change(id, wire)
  tell(parts, request, { action: 'change key', before, after })
  return answer('changeKey', 200, {
    message: 'The key is changed; what was open at servers that it reaches no more has ended.',
    key: after,
  })
}

export async function rotateKey(parts: AdminParts, request: Request, id: string): Promise<Response> {
  const wire = checked(rotationSchema, await readJson(request, parts.config.limits.bodyBytesMax, {}))
  const ms = wire.overlap === undefined ? overlapMs : parseDuration(wire.overlap)
  if (ms === null || ms > overlapMsMax)
    throw new GatewayError(
      'KEY_INVALID',
      `overlap: must be a duration of at most ${formatDuration(overlapMsMax)}, such as 24h.`,
    )
  const made = (await parts.keys()).rotate(id, ms)
  const { previousEnds } = made.report
  tell(parts, request, { action: 'rotate key', before: null, after: made.report })
  const message =
    previousEnds === null
      ? 'The key has a new text, which is shown this once; the one before has ended.'
      : `The key has a new text, which is shown this once; the one before counts until ${previousEnds}.`
  return answer('rotateKey', 200, { message, text: made.text, key: made.report })
}

export async function revokeKey(parts: AdminParts, request: Request, id: string): Promise<Response> {
  const before = (await parts.keys()).revoke(id, querySwitch(request, 'open'))
  tell(parts, request, { action: 'revoke key', before, after: null })
  return replyEmpty(204)
}

/** Told at once to whoever has most likely mistyped a name; null where all are there. */
function doubtAbout({ directory }: AdminParts, { name, access }: KeyReport): string | null {
  const names = directory.list().map(({ definition }) => definition.name)
  const doubts = unknownServersOf({ name, access: access.map(ruleOf) }, names)
  const words = doubts.slice(0, doubtsMax).join('; ')
  return doubts.length === 0 ? null : `Warning: ${words}${words.endsWith('?') ? '' : '.'}`
}

async function readChecked<S extends TObject>(
  parts: AdminParts,
  request: Request,
  schema: S,
): Promise<Static<S>> {
  return checked(schema, await readJson(request, parts.config.limits.bodyBytesMax))
}

function checked<S extends TObject>(schema: S, body: unknown): Static<S> {
  if (!Value.Check(schema, body)) throw new GatewayError('KEY_INVALID', sentenceOf(problemsOf(schema, body)))
  return body
}

interface KeyChange {
  readonly action: string
  readonly before: KeyReport | null
  readonly after: KeyReport | null
}

/** Who has given whom what, from where. No text of a key, and no digest of one. */
function tell({ log }: AdminParts, request: Request, { action, before, after }: KeyChange): void {
  const { principal, client, requestId, log: line } = contextOf(request)
  const key = after ?? before
  if (key !== null) line.target = `${key.principal} ${key.name}`
  const fields = { caller: principal.shown, clientIp: client, requestId, action }
  const shown = (report: KeyReport | null) => report && JSON.stringify(report)
  log.info({ ...fields, name: key?.name ?? '', before: shown(before), after: shown(after) }, 'admin change')
}
