/** `GET /admin/openapi.json`: valid, complete, behind the admin door; and the check of answers against it bites. */
import { describe, expect, test } from 'bun:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import type { OpenApiDocument } from '../../src/http/api/openapi.ts'
import { asDocumented } from '../support/api-document.ts'
import { type Front, startFront } from './front.ts'

async function documentOf(front: Front, init?: RequestInit): Promise<OpenApiDocument> {
  return (await (await front.send('/admin/openapi.json', init)).json()) as OpenApiDocument
}

describe('the OpenAPI document', () => {
  test('is valid OpenAPI 3.1', async () => {
    await using front = await startFront()
    const document = await documentOf(front)
    const validator = new Validator()
    expect(await validator.validate({ ...document })).toEqual({ valid: true })
    expect(validator.version).toBe('3.1')
  })

  test('describes every route but those that speak MCP or are for browsers and OAuth, and no other', async () => {
    await using front = await startFront()
    const { paths } = await documentOf(front)
    const described = Object.entries(paths).flatMap(([path, { parameters: _, ...operations }]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const served = front.routes
      .filter(
        ({ path }) =>
          !/^\/(mcp(-proxy)?|\.well-known|connect|oauth|me\/(sign-in|forms)|admin\/mcps\/:name\/stream)(\/|$)|^\/console(\/:file)?$/.test(
            path,
          ),
      )
      .map(({ method, path }) => `${method} ${path.replace(/:(name|id|credential)/g, '{$1}')}`)
    expect(described.sort()).toEqual(served.sort())
  })

  test('is for admins only', async () => {
    await using front = await startFront({
      settings: { auth: { globalTokens: ['g1'], adminTokens: ['a1'] } },
    })
    const status = async (token: string) => {
      const answer = await front.send('/admin/openapi.json', {
        headers: { authorization: `Bearer ${token}` },
      })
      return answer.status
    }
    expect([await status('wrong'), await status('g1'), await status('a1')]).toEqual([401, 403, 200])
  })

  test('names the gateway as the client sees it', async () => {
    await using front = await startFront({ settings: { baseUrl: 'https://gw.example/tools/' } })
    expect(await documentOf(front)).toMatchObject({ servers: [{ url: 'https://gw.example/tools' }] })
  })

  test('takes the definition that POST takes, and for PUT one without its name', async () => {
    await using front = await startFront()
    expect(await documentOf(front)).toMatchObject({
      components: {
        schemas: {
          ServerDefinition: { required: ['name', 'transport'], additionalProperties: false },
          ServerReplacement: { required: ['transport'], additionalProperties: false },
          ToolCall: { required: ['mcpName', 'toolName'], additionalProperties: false },
        },
      },
    })
  })
})

describe('an answer', () => {
  const change = { message: 'Done.', name: 'files' }
  const unknown = { error: 'Server not found', details: 'There is none.', code: 'SERVER_UNKNOWN' }
  const held = (request: string, status: number, body: unknown) => {
    const [method = '', path = ''] = request.split(' ')
    return asDocumented(method, `http://localhost${path}`, jsonAnswer(status, body))
  }

  test.each([
    { why: 'the value of its schema', request: 'PUT /admin/mcps/files', status: 200, body: change },
    { why: 'an error of the operation', request: 'GET /admin/mcps/nope', status: 404, body: unknown },
    {
      why: 'a tool with members of its server',
      request: 'GET /admin/tools',
      status: 200,
      body: { tools: [{ name: 't', mcpName: 'files', 'x-own': 1 }], errors: [] },
    },
    {
      why: 'an error where there is nothing',
      request: 'GET /admin/nothing',
      status: 404,
      body: { ...unknown, code: 'NOT_FOUND' },
    },
  ])('is as documented with $why', async ({ request, status, body }) => {
    expect((await held(request, status, body)).bodyUsed).toBe(false)
  })

  test.each([
    {
      why: 'a member more',
      request: 'PUT /admin/mcps/files',
      status: 200,
      body: { ...change, extra: 1 },
      fault: 'extra',
    },
    {
      why: 'a member less',
      request: 'PUT /admin/mcps/files',
      status: 200,
      body: { name: 'files' },
      fault: 'message',
    },
    {
      why: 'a member of another type',
      request: 'PUT /admin/mcps/files',
      status: 200,
      body: { ...change, name: 1 },
      fault: '/name must be string',
    },
    {
      why: 'a status of no answer',
      request: 'PUT /admin/mcps/files',
      status: 202,
      body: change,
      fault: 'no such status',
    },
    {
      why: 'an error code of another operation',
      request: 'GET /admin/mcps/files',
      status: 404,
      body: { ...unknown, code: 'SESSION_UNKNOWN' },
      fault: 'the code is SESSION_UNKNOWN',
    },
    {
      why: 'an operation that is not there',
      request: 'GET /admin/nothing',
      status: 200,
      body: change,
      fault: 'no such operation',
    },
  ])('is not as documented with $why', async ({ request, status, body, fault }) => {
    await expect(held(request, status, body)).rejects.toThrow(fault)
  })
})

function jsonAnswer(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
}
