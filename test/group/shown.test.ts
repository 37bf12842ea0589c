/** Texts of a member as its group shows them: what changes, and that nothing else does. */
import { describe, expect, test } from 'bun:test'
import { mayHoldUri, shownAnswer, shownItem, shownNotification } from '../../src/group/shown.ts'

const show = (uri: string): string => (uri.startsWith('keep:') ? uri : `mcp+m:${uri}`)
/** Spaces, big numbers and the order of members, all of which must stay. */
const odd = '"z": 12345678901234567890,  "a":1.0'

function answer(result: string): string {
  return `{ "jsonrpc":"2.0",${odd}, "id":7,"result":${result} }`
}

describe('an answer', () => {
  test.each<{ why: string; method: string; result: string; shown: string }>([
    {
      why: 'links and embedded resources of a tool',
      method: 'tools/call',
      result: `{${odd},"content":[{"type":"text","text":"\\"uri\\":\\"a:b\\""}, {"type":"resource_link","name":"n","uri" : "a:b"},{"type":"resource","resource":{"uri":"a:c","text":"uri"},${odd}}]}`,
      shown: `{${odd},"content":[{"type":"text","text":"\\"uri\\":\\"a:b\\""}, {"type":"resource_link","name":"n","uri" : "mcp+m:a:b"},{"type":"resource","resource":{"uri":"mcp+m:a:c","text":"uri"},${odd}}]}`,
    },
    {
      why: 'an app of a tool, in both spellings',
      method: 'tools/call',
      result: `{"_meta":{"ui/resourceUri":"ui:a","ui":{"x":1,"resourceUri":"ui:b"}},"content":[]}`,
      shown: `{"_meta":{"ui/resourceUri":"mcp+m:ui:a","ui":{"x":1,"resourceUri":"mcp+m:ui:b"}},"content":[]}`,
    },
    {
      why: 'structured content is of the tool alone',
      method: 'tools/call',
      result:
        '{"structuredContent":{"uri":"a:b","content":[{"type":"resource_link","uri":"a:b"}]},"content":[]}',
      shown:
        '{"structuredContent":{"uri":"a:b","content":[{"type":"resource_link","uri":"a:b"}]},"content":[]}',
    },
    {
      why: 'a block of another type has no URI of ours',
      method: 'tools/call',
      result: '{"content":[{"type":"note","uri":"a:b"},{"uri":"a:b"},null,7,"uri"]}',
      shown: '{"content":[{"type":"note","uri":"a:b"},{"uri":"a:b"},null,7,"uri"]}',
    },
    {
      why: 'the result of a task is that of its tool',
      method: 'tasks/result',
      result: '{"content":[{"type":"resource_link","uri":"a:b"}]}',
      shown: '{"content":[{"type":"resource_link","uri":"mcp+m:a:b"}]}',
    },
    {
      why: 'messages of a prompt, with one block or several',
      method: 'prompts/get',
      result:
        '{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a:b"}}},{"content":[{"type":"resource_link","uri":"a:c"}]}]}',
      shown:
        '{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"mcp+m:a:b"}}},{"content":[{"type":"resource_link","uri":"mcp+m:a:c"}]}]}',
    },
    {
      why: 'contents of a read',
      method: 'resources/read',
      result: '{"contents":[{"uri":"a:b","text":"x"},{"uri":"keep:c","blob":""}]}',
      shown: '{"contents":[{"uri":"mcp+m:a:b","text":"x"},{"uri":"keep:c","blob":""}]}',
    },
    {
      why: 'escapes in a URI are read',
      method: 'resources/read',
      result: '{"contents":[{"uri":"a:\\u00fc\\/\\"x"}]}',
      shown: '{"contents":[{"uri":"mcp+m:a:ü/\\"x"}]}',
    },
    {
      why: 'a member that stands twice means two things, and is left alone',
      method: 'resources/read',
      result: '{"contents":[{"uri":"a:b","uri":"a:c"}]}',
      shown: '{"contents":[{"uri":"a:b","uri":"a:c"}]}',
    },
    {
      why: 'what is no list is left alone',
      method: 'resources/read',
      result: '{"contents":{"uri":"a:b"}}',
      shown: '{"contents":{"uri":"a:b"}}',
    },
    {
      why: 'methods without resources',
      method: 'completion/complete',
      result: '{"content":[{"type":"resource_link","uri":"a:b"}]}',
      shown: '{"content":[{"type":"resource_link","uri":"a:b"}]}',
    },
  ])('$why', ({ method, result, shown }) => {
    expect(shownAnswer(method, answer(result), show)).toBe(answer(shown))
  })

  test.each([
    '{"id":1,"error":{"message":"no \\"uri\\"","uri":"a:b"}}',
    '{"result":{"content":[{"type":"resource_link","uri":"a:b"',
    '"uri"',
    '',
  ])('that is none stays as it is: %s', (text) => {
    expect(shownAnswer('tools/call', text, show)).toBe(text)
  })

  test('without a URI in it is the same string, and costs next to nothing', () => {
    const text = answer(`{"content":[{"type":"text","text":"${'x'.repeat(100)}"}]}`)
    expect(shownAnswer('tools/call', text, show)).toBe(text)
    const begun = performance.now()
    for (let run = 0; run < 100_000; run++) shownAnswer('tools/call', text, show)
    expect((performance.now() - begun) / 100).toBeLessThan(2)
  })
})

describe('bytes that could hold a URI', () => {
  test.each<{ why: string; pieces: string[]; may: boolean }>([
    { why: 'a link', pieces: ['{"uri":1}'], may: true },
    { why: 'an app', pieces: ['{"resourceUri":1}'], may: true },
    { why: 'cut in the middle', pieces: ['{"resou', 'rceUri":1}'], may: true },
    { why: 'cut at each byte', pieces: [...'{"uri":1}'], may: true },
    { why: 'cut in front of its last byte', pieces: ['x'.repeat(99), '"uri', '"'], may: true },
    { why: 'text about one', pieces: ['{"text":"\\"uri\\""}'], may: false },
    { why: 'nothing', pieces: [], may: false },
  ])('$why: $may', ({ pieces, may }) => {
    expect(mayHoldUri(pieces.map((piece) => new TextEncoder().encode(piece)))).toBe(may)
  })
})

describe('a notification', () => {
  const note = (params: string): string => `{"jsonrpc":"2.0","method":"x","params":${params}}`

  test.each<{ why: string; method: string; params: string; shown: string }>([
    {
      why: 'an update',
      method: 'notifications/resources/updated',
      params: `{${odd},"uri":"a:b"}`,
      shown: `{${odd},"uri":"mcp+m:a:b"}`,
    },
    {
      why: 'a log line without a logger',
      method: 'notifications/message',
      params: `{"level":"info",${odd},"data":{"logger":"x"}}`,
      shown: `{"level":"info",${odd},"data":{"logger":"x"},"logger":"srv"}`,
    },
    {
      why: 'a log line with one',
      method: 'notifications/message',
      params: '{"logger":"db.pool","level":"info"}',
      shown: '{"logger":"srv.db.pool","level":"info"}',
    },
    {
      why: 'a logger that is no text',
      method: 'notifications/message',
      params: '{"logger":null}',
      shown: '{"logger":"srv"}',
    },
    {
      why: 'anything else',
      method: 'notifications/progress',
      params: '{"uri":"a:b","logger":"x"}',
      shown: '{"uri":"a:b","logger":"x"}',
    },
  ])('$why', ({ method, params, shown }) => {
    expect(shownNotification(method, note(params), 'srv', show)).toBe(note(shown))
  })

  test('without parameters stays as it is', () => {
    const text = '{"jsonrpc":"2.0","method":"notifications/message"}'
    expect(shownNotification('notifications/message', text, 'srv', show)).toBe(text)
  })
})

describe('an item of a list', () => {
  test.each<{ why: string; item: string; change: Parameters<typeof shownItem>[1]; shown: string }>([
    {
      why: 'a name',
      item: `{${odd},"name":"a","inputSchema":{"name":"a"}}`,
      change: { name: 'm__a' },
      shown: `{${odd},"name":"m__a","inputSchema":{"name":"a"}}`,
    },
    {
      why: 'a description',
      item: '{"description":"old","name":"a"}',
      change: { description: 'new "one"' },
      shown: '{"description":"new \\"one\\"","name":"a"}',
    },
    {
      why: 'a description where there was none',
      item: '{"name":"a"}',
      change: { name: 'b', description: 'new' },
      shown: '{"name":"b","description":"new"}',
    },
    {
      why: 'a resource',
      item: `{"uri":"a:b",${odd},"name":"a"}`,
      change: { show },
      shown: `{"uri":"mcp+m:a:b",${odd},"name":"a"}`,
    },
    {
      why: 'a template',
      item: '{"name":"a","uriTemplate":"a:{b}"}',
      change: { show },
      shown: '{"name":"a","uriTemplate":"mcp+m:a:{b}"}',
    },
    {
      why: 'a tool with an app',
      item: `{"name":"a","_meta":{${odd},"ui":{"resourceUri":"ui:a","csp":{}}}}`,
      change: { name: 'm__a', show },
      shown: `{"name":"m__a","_meta":{${odd},"ui":{"resourceUri":"mcp+m:ui:a","csp":{}}}}`,
    },
    { why: 'nothing', item: `{${odd},"name":"a"}`, change: {}, shown: `{${odd},"name":"a"}` },
    { why: 'no object', item: '[1]', change: { name: 'x', show }, shown: '[1]' },
  ])('$why', ({ item, change, shown }) => {
    expect(shownItem(item, change)).toBe(shown)
  })
})
