/** Where an OAuth client finds out who issues tokens for an endpoint (RFC 9728): for everybody, pages included. */
import { Elysia, NotFoundError } from 'elysia'
import { GatewayError } from '../../errors.ts'
import type { Identity } from '../../identity/identity.ts'
import { contextOf } from '../context.ts'
import { replyJson } from '../reply.ts'

/** The route group; `identity` is asked with each request, because the configuration may be read again. */
export function discoveryRoutes(identity: () => Pick<Identity, 'metadataAt'> | null) {
  const metadata = ({ request }: { request: Request }): Response => {
    const { area, path } = contextOf(request)
    // Without OAuth there is nothing here at all.
    if (area !== 'discovery') throw new NotFoundError()
    const document = identity()?.metadataAt(path) ?? null
    if (document === null) throw new GatewayError('NOT_FOUND', 'This path names no endpoint of the gateway.')
    return replyJson(200, document, { 'access-control-allow-origin': '*' })
  }
  return new Elysia()
    .get('/.well-known/oauth-protected-resource', metadata)
    .get('/.well-known/oauth-protected-resource/*', metadata)
}
