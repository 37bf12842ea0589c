/** Lists without what is hidden, whatever a server writes where a list belongs. */
import { describe, expect, test } from 'bun:test'
import { filteredAnswer, refusedItem } from '../../src/access/items.ts'
import { setPins } from '../../src/access/pins.ts'
import { reachOf } from '../../src/access/reach.ts'
import { scanMessage } from '../../src/protocol/jsonrpc.ts'

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
