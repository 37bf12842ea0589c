/** `GET /admin/access`: why somebody may use something, or may not (access/explain.ts). */
import type { AccessExplanation, AccessQuestion } from '../../../access/explain.ts'
import type { GivenClaims, UnknownPrincipal } from '../../../access/find-principal.ts'
import type { Principal } from '../../../access/principal.ts'
import type { AccessKind } from '../../../access/reach.ts'
import { GatewayError } from '../../../errors.ts'
import { type ClientAddress, peerAddress } from '../../../net/address.ts'
import { answer } from '../../api/operation.ts'
import type { AdminParts } from './parts.ts'
import { queryText } from './query.ts'

/** Who can say why; loaded when somebody asks. */
export interface AdminAccess {
  principal(text: string, claims: GivenClaims): Promise<Principal | UnknownPrincipal>
  explain(question: AccessQuestion): Promise<AccessExplanation>
}

const kinds = ['tool', 'prompt', 'resource', 'template'] as const
const claimsMax = 64
const textCharsMax = 2_048

export async function explainAccess({ access }: AdminParts, request: Request): Promise<Response> {
  const text = required(request, 'principal', 'such as ?principal=key:a1b2c3d4')
  const server = required(request, 'server', 'the name of a server or a group')
  const named = kinds.flatMap((kind) => {
    const name = queryText(request, kind)
    return name === null ? [] : [{ kind, name: within(kind, name) }]
  })
  if (named.length > 1)
    throw new GatewayError('BAD_REQUEST', `One of ${kinds.join(', ')} can be asked about at a time.`)
  const { kind, name }: { kind: AccessKind; name: string | null } = named[0] ?? { kind: 'server', name: null }
  const through = queryText(request, 'through')
  const claims = claimsIn(request)
  const principal = await access.principal(text, claims)
  const asked = { server, through, kind, item: name }
  if ('reason' in principal) {
    const rule = principal.reason
    return answer('explainAccess', 200, {
      principal: { id: text, role: null, name: null },
      ...asked,
      ...{
        allowed: false,
        verdict: 'principal_unknown' as const,
        rule,
        nearest: principal.nearest,
        unsure: null,
      },
      steps: [{ asked: `principal ${text}`, allowed: false, rule }],
    })
  }
  const address = addressIn(request)
  const found = await access.explain({ principal, server, kind, name, through, address })
  const { allowed, verdict, rule, steps, nearest, unsure } = found
  return answer('explainAccess', 200, {
    principal: { id: principal.shown, role: principal.role, name: principal.name ?? null },
    ...{ ...asked, server: found.server, item: found.name },
    ...{
      allowed,
      verdict,
      rule,
      nearest,
      unsure: unsure ?? doubtAbout(principal, claims),
      steps: [...steps],
    },
  })
}

/** What was left out of a question about a person; null where nothing was. */
function doubtAbout({ id, name }: Principal, claims: GivenClaims): string | null {
  if (!id.startsWith('oauth:')) return null
  if (name === undefined)
    return 'Of a hash alone nobody knows issuer and subject: rules that name these were not counted.'
  return Object.keys(claims).length === 0
    ? 'No claims were given: rules that ask for some were not counted.'
    : null
}

function required(request: Request, name: string, what: string): string {
  const text = queryText(request, name)
  if (text === null || text === '') throw new GatewayError('BAD_REQUEST', `${name}: is required, ${what}.`)
  return within(name, text)
}

function within(name: string, text: string): string {
  if (text.length <= textCharsMax) return text
  throw new GatewayError('BAD_REQUEST', `${name}: may have at most ${textCharsMax} characters.`)
}

/** `?claim=groups=eng`, once for each value. */
function claimsIn(request: Request): GivenClaims {
  const texts = new URL(request.url).searchParams.getAll('claim')
  if (texts.length > claimsMax)
    throw new GatewayError('BAD_REQUEST', `claim: may be given ${claimsMax} times at most.`)
  const claims = new Map<string, string[]>()
  for (const text of texts) {
    const [, name, value] = /^([A-Za-z][\w-]{0,31})=(.+)$/s.exec(within('claim', text)) ?? []
    if (name === undefined || value === undefined)
      throw new GatewayError('BAD_REQUEST', 'claim: is a name and a value, such as ?claim=groups=eng.')
    claims.set(name, [...(claims.get(name) ?? []), value])
  }
  return Object.fromEntries(claims)
}

function addressIn(request: Request): ClientAddress | null {
  const text = queryText(request, 'address')
  if (text === null) return null
  const address = peerAddress(text)
  if (address === null) throw new GatewayError('BAD_REQUEST', 'address: must be an IP address.')
  // Asked about as if a client had come from there.
  return address as string as ClientAddress
}
