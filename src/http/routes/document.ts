/** `/admin/openapi.json`: the document that the routes describe together, itself among them. */
import { Elysia } from 'elysia'
import { GatewayError } from '../../errors.ts'
import type { ListedRoute } from '../api/openapi.ts'
import { answer, routeOf } from '../api/operation.ts'
import { contextOf } from '../context.ts'

/** The hooks have admitted the request already. `routes` is asked with each request, when all are there. */
export function documentRoutes(routes: () => readonly ListedRoute[]) {
  return new Elysia().get(
    '/admin/openapi.json',
    async ({ request }) => {
      const { area, externalBase } = contextOf(request)
      // Should the router ever read a path differently from the hooks, the request goes nowhere.
      if (area !== 'admin') throw new GatewayError('NOT_FOUND', 'There is nothing here.')
      // Most gateways are never asked, and the schemas cost time and memory.
      const { openApiDocument } = await import('../api/openapi.ts')
      return answer('getOpenApi', 200, openApiDocument(routes(), externalBase))
    },
    routeOf('getOpenApi'),
  )
}
