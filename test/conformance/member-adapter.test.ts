/** The adapter before a group maps names and URIs, and nothing else. */
import { describe, expect, test } from 'bun:test'
import { compare } from './compare.ts'
import { startMemberAdapter } from './member-adapter.ts'
import { headerToGroup, toClient, toGroup } from './member-names.ts'
import { startHttpFixture } from './run.ts'
import { testServer } from './suite.ts'

const other = { name: 'other__a', uri: 'mcp+other:x:y', deep: { name: 'm__a', uri: 'mcp+m:x:y' } }

describe('a message for the group', () => {
  test.each<{ why: string; message: unknown; mapped: unknown }>([
    {
      why: 'a tool',
      message: { id: 1, method: 'tools/call', params: { name: 'a', arguments: { name: 'a', uri: 'x:y' } } },
      mapped: { id: 1, method: 'tools/call', params: { name: 'm__a', arguments: { name: 'a', uri: 'x:y' } } },
    },
    {
      why: 'a read',
      message: { method: 'resources/read', params: { uri: 'x:y', _meta: { uri: 'x:y' } } },
      mapped: { method: 'resources/read', params: { uri: 'mcp+m:x:y', _meta: { uri: 'x:y' } } },
    },
    {
      why: 'a completion',
      message: {
        method: 'completion/complete',
        params: { ref: { type: 'ref/prompt', name: 'a' }, argument: { name: 'b' } },
      },
      mapped: {
        method: 'completion/complete',
        params: { ref: { type: 'ref/prompt', name: 'm__a' }, argument: { name: 'b' } },
      },
    },
    {
      why: 'a subscription without a session',
      message: {
        method: 'subscriptions/listen',
        params: { notifications: { toolsListChanged: true, resourceSubscriptions: ['x:y'] } },
      },
      mapped: {
        method: 'subscriptions/listen',
        params: { notifications: { toolsListChanged: true, resourceSubscriptions: ['mcp+m:x:y'] } },
      },
    },
    {
      why: 'a prompt of another member',
      message: { method: 'prompts/get', params: { name: 'other__a' } },
      mapped: { method: 'prompts/get', params: { name: 'other__a' } },
    },
    {
      why: 'a resource of another member',
      message: { method: 'resources/read', params: { uri: 'mcp+other:x:y' } },
      mapped: { method: 'resources/read', params: { uri: 'mcp+other:x:y' } },
    },
    { why: 'a batch', message: [{ method: 'ping', params: {} }], mapped: [{ method: 'ping', params: {} }] },
    {
      why: 'another method',
      message: { method: 'tools/list', params: { name: 'a' } },
      mapped: { method: 'tools/list', params: { name: 'a' } },
    },
    {
      why: 'an answer',
      message: { id: 1, result: { tools: [other] } },
      mapped: { id: 1, result: { tools: [other] } },
    },
    { why: 'no message', message: 'x', mapped: 'x' },
  ])('$why', ({ message, mapped }) => {
    expect(toGroup(message, 'm')).toEqual(mapped)
  })

  test('and its header', () => {
    expect(headerToGroup('tools/call', 'a', 'm')).toBe('m__a')
    expect(headerToGroup('resources/read', 'x:y', 'm')).toBe('mcp+m:x:y')
  })
})

describe('a message for the client', () => {
  test.each<{ why: string; message: unknown; mapped: unknown }>([
    {
      why: 'tools, of which those of others stay',
      message: { result: { tools: [{ name: 'm__a', title: 'm__a' }, other], nextCursor: 'm__a' } },
      mapped: { result: { tools: [{ name: 'a', title: 'm__a' }, other], nextCursor: 'm__a' } },
    },
    {
      why: 'resources',
      message: { result: { resources: [{ uri: 'mcp+m:x:y', name: 'm__a' }, other] } },
      mapped: { result: { resources: [{ uri: 'x:y', name: 'm__a' }, other] } },
    },
    {
      why: 'templates',
      message: { result: { resourceTemplates: [{ uriTemplate: 'mcp+m:x:{y}' }] } },
      mapped: { result: { resourceTemplates: [{ uriTemplate: 'x:{y}' }] } },
    },
    {
      why: 'content',
      message: {
        result: {
          content: [
            { type: 'text', text: 'mcp+m:x:y' },
            { type: 'resource', resource: { uri: 'mcp+m:x:y', text: '' } },
            { type: 'resource_link', uri: 'mcp+m:x:y' },
          ],
          structuredContent: { content: [{ type: 'resource_link', uri: 'mcp+m:x:y' }] },
        },
      },
      mapped: {
        result: {
          content: [
            { type: 'text', text: 'mcp+m:x:y' },
            { type: 'resource', resource: { uri: 'x:y', text: '' } },
            { type: 'resource_link', uri: 'x:y' },
          ],
          structuredContent: { content: [{ type: 'resource_link', uri: 'mcp+m:x:y' }] },
        },
      },
    },
    {
      why: 'an update',
      message: { method: 'notifications/resources/updated', params: { uri: 'mcp+m:x:y' } },
      mapped: { method: 'notifications/resources/updated', params: { uri: 'x:y' } },
    },
    {
      why: 'a log line',
      message: { method: 'notifications/message', params: { logger: 'm', data: 'm__a' } },
      mapped: { method: 'notifications/message', params: { logger: 'm', data: 'm__a' } },
    },
    { why: 'an error', message: { error: { message: 'm__a' } }, mapped: { error: { message: 'm__a' } } },
  ])('$why', ({ message, mapped }) => {
    expect(toClient(message, 'm')).toEqual(mapped)
  })
})

test('in front of the fixture, with nothing to map, it loses no check', async () => {
  await using fixture = await startHttpFixture('both')
  const nothing = {
    toGroup: (m: unknown) => m,
    toClient: (m: unknown) => m,
    header: (_: string, v: string) => v,
  }
  const adapter = startMemberAdapter(new URL(fixture.url), nothing)
  const some = [
    'tools-call-with-progress',
    'elicitation-sep1034-defaults',
    'resources-subscribe',
    'server-sse-polling',
  ]
  try {
    const direct = await testServer(fixture.url, '2025-11-25', some)
    expect(direct.size).toBe(some.length)
    expect(compare(direct, await testServer(adapter.url, '2025-11-25', some)).losses).toEqual([])
  } finally {
    await adapter.stop()
  }
}, 60_000)
