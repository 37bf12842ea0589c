/** Lists without what is hidden, whatever a server writes where a list belongs. */
import { describe, expect, test } from 'bun:test'
import { filteredAnswer, refusedItem } from '../../src/access/items.ts'
import { KeyGrants } from '../../src/access/key.ts'
import { setPins } from '../../src/access/pins.ts'
import { type ItemKind, reachOf } from '../../src/access/reach.ts'
import { scanMessage } from '../../src/protocol/jsonrpc.ts'
import { keyOf } from '../../src/registry/access/key-schema.ts'
import { ruleOf } from '../../src/registry/access/rule-schema.ts'

const definition = { name: 'docs', toolFilter: { mode: 'block', list: ['evil'] }, access: null } as const
const reach = reachOf(null, definition)
const shown = (result: string) =>
  filteredAnswer(reach, 'tools/list', `{"jsonrpc":"2.0","id":7,"result":${result}}`)
const answer = (result: string) => `{"jsonrpc":"2.0","id":7,"result":${result}}`

describe('a list of which something is hidden', () => {
  test.each([
    {
      why: 'without it, every other byte as it came',
      result: '{ "tools" : [ {"name":"good" ,"n":1.10}, {"name":"evil"} ] , "x":1 }',
      left: '{ "tools" : [{"name":"good" ,"n":1.10}] , "x":1 }',
    },
    {
      why: 'without what has its name twice',
      result: '{"tools":[{"name":"good","name":"evil"}]}',
      left: '{"tools":[]}',
    },
    {
      why: 'empty where there are two lists, of which a client might read either',
      result: '{"resultType":"complete","tools":[{"name":"good"}],"tools":[{"name":"evil"}]}',
      left: '{"resultType":"complete","tools":[]}',
    },
    {
      why: 'empty where one of the two is spelled with an escape',
      result: '{"tools":[],"t\\u006fols":[{"name":"evil"}]}',
      left: '{"tools":[]}',
    },
    {
      why: 'empty where there is another one in other letters, which readers in Go and C# take for it',
      result: '{"tools":[{"name":"good"}],"Tools":[{"name":"evil"}]}',
      left: '{"tools":[]}',
    },
    {
      why: 'empty where it is in other letters alone',
      result: '{"toolſ":[{"name":"evil"}],"x":1}',
      left: '{"x":1,"tools":[]}',
    },
    {
      why: 'without what has its name in other letters as well',
      result: '{"tools":[{"name":"good","NAME":"evil"},{"name":"good"}]}',
      left: '{"tools":[{"name":"good"}]}',
    },
    { why: 'empty where it is no list', result: '{"tools":{"0":{"name":"evil"}}}', left: '{"tools":[]}' },
    { why: 'as it is where there is none', result: '{"nonsense":[1]}', left: '{"nonsense":[1]}' },
  ])('is shown $why', ({ result, left }) => {
    expect(shown(result)).toBe(answer(left))
  })

  test('shows a tool neither where another text of the list closes it', () => {
    const pinned = { ...definition, toolFilter: null }
    let open = true
    setPins(pinned, {
      allows: () => open,
      knows: () => true,
      saw: () => true,
      forget() {},
      decide: () => ({ allowed: open, rule: '' }),
      shows: (_name, text) => {
        open &&= !text.includes('changed')
        return open
      },
    })
    const text = answer('{"tools":[{"name":"a"},{"name":"a","changed":true}]}')
    expect(filteredAnswer(reachOf(null, pinned), 'tools/list', text)).toBe(answer('{"tools":[]}'))
  })
})

describe('a call of a pinned tool', () => {
  const message = scanMessage('{"id":1,"method":"tools/call","params":{"name":"a"}}')
  if (message === null) throw new Error('no message')
  const facts = { readOnly: false }

  test.each([
    {
      why: 'what is approved is what the gateway has read',
      known: facts,
      saw: false,
      reads: null,
      passes: true,
    },
    { why: 'a client was listed what is approved', known: undefined, saw: true, reads: null, passes: true },
    { why: 'the list says so once it is read', known: undefined, saw: false, reads: facts, passes: true },
    { why: 'the list is read and has no such tool', known: null, saw: false, reads: null, passes: true },
    {
      why: 'nobody can tell what the server lists now',
      known: undefined,
      saw: false,
      reads: undefined,
      passes: false,
    },
  ])('passes: $passes, where $why', async ({ known, saw, reads, passes }) => {
    const pinned = { ...definition, toolFilter: null }
    const decide = () => ({ allowed: true, rule: '' })
    setPins(pinned, {
      allows: () => true,
      decide,
      knows: () => true,
      saw: () => saw,
      forget() {},
      shows: () => true,
    })
    let now: typeof known = known
    const reread = async () => {
      now = reads ?? now
      return reads ?? null
    }
    const refused = await refusedItem(reachOf(null, pinned), message, { known: () => now, reread })
    expect(refused).toBe(passes ? null : 'tool')
  })
})

describe('where prompts and resources are hidden', () => {
  const access = [ruleOf({ prompts: ['open'], resources: ['docs://open/*'] })]
  const key = keyOf('k1234567', { name: 'ci', access: [{ servers: ['docs'] }] }, null)
  const held = { facts: key, version: 0, endsAtMs: null, counts: true, limits: null }
  const ruled = reachOf(new KeyGrants(held), { name: 'docs', toolFilter: null, access })
  const tools = { known: () => null, reread: async () => null }
  const deep = '['.repeat(300) + ']'.repeat(300)

  test.each([
    {
      why: 'a prompt whose name is there in other letters, which servers in Go and C# take for it',
      method: 'prompts/get',
      params: '"name":"open","Name":"secret"',
      refused: 'prompt',
    },
    {
      why: 'a URI in other letters alone',
      method: 'resources/read',
      params: '"URI":"docs://secret/1"',
      refused: 'resource',
    },
    {
      why: 'a ref in other letters',
      method: 'completion/complete',
      params: '"ref":{"type":"ref/prompt","name":"open"},"Ref":{"type":"ref/prompt","name":"secret"}',
      refused: 'template',
    },
    {
      why: 'a list in other letters',
      method: 'subscriptions/listen',
      params: '"notifications":{"resourceſubscriptions":["docs://secret/1"]}',
      refused: 'resource',
    },
    {
      why: 'a prompt that is open',
      method: 'completion/complete',
      params: '"ref":{"type":"ref/prompt","name":"open"}',
      refused: null,
    },
    {
      why: 'one that is not',
      method: 'completion/complete',
      params: '"ref":{"type":"ref/prompt","name":"secret"}',
      refused: 'prompt',
    },
    {
      why: 'two types, of which a server may read either',
      method: 'completion/complete',
      params: '"ref":{"type":"ref/resource","type":"ref/prompt","name":"secret"}',
      refused: 'template',
    },
    {
      why: 'a type in two spellings',
      method: 'completion/complete',
      params: '"ref":{"t\\u0079pe":"x","type":"ref/prompt","name":"secret"}',
      refused: 'template',
    },
    {
      why: 'two refs',
      method: 'completion/complete',
      params:
        '"ref":{"type":"ref/resource","uri":"docs://open/1"},"ref":{"type":"ref/prompt","name":"secret"}',
      refused: 'template',
    },
    {
      why: 'a type that nobody knows',
      method: 'completion/complete',
      params: '"ref":{"type":"ref/prompt ","name":"secret"}',
      refused: 'template',
    },
    {
      why: 'a resource that is open',
      method: 'subscriptions/listen',
      params: '"notifications":{"resourceSubscriptions":["docs://open/1"]}',
      refused: null,
    },
    {
      why: 'nothing of resources',
      method: 'subscriptions/listen',
      params: '"notifications":{"toolsListChanged":true}',
      refused: null,
    },
    {
      why: 'null for none',
      method: 'subscriptions/listen',
      params: '"notifications":{"resourceSubscriptions":null}',
      refused: null,
    },
    {
      why: 'one that is not among others',
      method: 'subscriptions/listen',
      params: '"notifications":{"resourceSubscriptions":["docs://open/1","docs://secret/1"]}',
      refused: 'resource',
    },
    {
      why: 'two filters',
      method: 'subscriptions/listen',
      params: '"notifications":{"resourceSubscriptions":["docs://secret/1"]},"notifications":{}',
      refused: 'resource',
    },
    {
      why: 'two lists',
      method: 'subscriptions/listen',
      params: '"notifications":{"resourceSubscriptions":["docs://secret/1"],"resourceSubscriptions":[]}',
      refused: 'resource',
    },
    {
      why: 'what is no list',
      method: 'subscriptions/listen',
      params: '"notifications":{"resourceSubscriptions":{"0":"docs://secret/1"}}',
      refused: 'resource',
    },
    {
      why: 'what nests too deep to be read',
      method: 'subscriptions/listen',
      params: `"notifications":{"resourceSubscriptions":["docs://secret/1",${deep}]}`,
      refused: 'resource',
    },
    {
      why: 'a list beside what nests too deep',
      method: 'subscriptions/listen',
      params: `"notifications":{"x":${deep},"resourceSubscriptions":["docs://secret/1"]}`,
      refused: 'resource',
    },
  ])('$method of $why is refused: $refused', ({ method, params, refused }) => {
    const text = scanMessage(`{"id":1,"method":"${method}","params":{${params}}}`)
    if (text === null) throw new Error('no message')
    expect(refusedItem(ruled, text, tools)).toBe(refused as ItemKind | null)
  })
})
