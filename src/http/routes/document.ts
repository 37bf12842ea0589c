/** `/admin/openapi.json`: the document that the routes describe together, itself among them. */
import { Elysia } from 'elysia'
import { GatewayError } from '../../errors.ts'
import * as answers from '../answers.ts'
import { contextOf } from '../context.ts'
import { type ListedRoute, openApiDocument } from '../openapi.ts'
import { answer, type Operation, routeOf } from '../operation.ts'

const getOpenApi = {
  id: 'getOpenApi',
  tag: 'figures',
  summary: 'This document.',
  access: 'admin',
  answers: { 200: { description: 'The document.', schema: answers.openApiDocument } },
} as const satisfies Operation

/** The hooks have admitted the request already. `routes` is asked with each request, when all are there. */
export function documentRoutes(routes: () => readonly ListedRoute[]) {
  return new Elysia().get(
    '/admin/openapi.json',
    ({ request }) => {
      const { area, externalBase } = contextOf(request)
      // Should the router ever read a path differently from the hooks, the request goes nowhere.
      if (area !== 'admin') throw new GatewayError('NOT_FOUND', 'There is nothing here.')
      return answer(getOpenApi, 200, openApiDocument(routes(), externalBase))
    },
    routeOf(getOpenApi),
  )
}
