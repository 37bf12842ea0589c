/** Finding tools by words, among 200 that real servers have, and what the tools for it answer. */
import { beforeAll, describe, expect, test } from 'bun:test'
import {
  describeResult,
  findResult,
  firstSentence,
  readSearchArguments,
  searchRefusal,
  searchToolNames,
  searchTools,
} from '../../../src/group/search/search-tools.ts'
import {
  createToolSearch,
  type SearchedTool,
  type ToolSearch,
} from '../../../src/group/search/tool-search.ts'
import { hardQuestions, neutralQuestions } from './held-out-questions.ts'
import { tuningQuestions } from './questions.ts'
import real from './real-tools.json' with { type: 'json' }

const tools: readonly SearchedTool[] = real.tools.map(({ server, name, ...rest }) => {
  const shown = `${server}__${name}`
  return { name: shown, text: JSON.stringify({ name: shown, ...rest }) }
})
let search: ToolSearch
beforeAll(async () => {
  search = await createToolSearch(tools)
})

function found(query: string, limit = 5): string[] {
  return search.find(query, limit).map(({ name }) => name)
}

function tool(name: string, description: string, more: object = {}): SearchedTool {
  return { name, text: JSON.stringify({ name, description, inputSchema: { type: 'object' }, ...more }) }
}

describe('questions of people', () => {
  test('there are 200 tools to choose from, each once', () => {
    expect(new Set(tools.map(({ name }) => name)).size).toBe(200)
  })

  const among = (questions: readonly { asks: string; right: readonly string[] }[]): number =>
    questions.filter(({ asks, right }) => found(asks).some((name) => right.includes(name))).length

  /** Whoever changes the ranking, or the vectors, sees whether it got better. */
  test.each<{ why: string; questions: readonly { asks: string; right: readonly string[] }[]; floor: number }>(
    [
      {
        why: 'in the wording that find_tools asks for',
        questions: tuningQuestions.map(({ wording, right }) => ({ asks: wording, right })),
        floor: 60,
      },
      { why: 'as people say them', questions: tuningQuestions, floor: 49 },
      { why: 'as people say them, held back', questions: neutralQuestions, floor: 49 },
      { why: 'in none of the words of the tool, held back', questions: hardQuestions, floor: 26 },
    ],
  )('find their tool among the first five, $why: $floor of 60', ({ questions, floor }) => {
    expect(questions).toHaveLength(60)
    expect(among(questions)).toBeGreaterThanOrEqual(floor)
  })

  test('the right answers are tools that there are', () => {
    const names = new Set(tools.map(({ name }) => name))
    const all = [...tuningQuestions, ...neutralQuestions, ...hardQuestions].flatMap(({ right }) => right)
    expect(all.filter((name) => !names.has(name))).toEqual([])
  })

  test.each<{ why: string; query: string; first: string }>([
    { why: 'words of the name', query: 'create pull request', first: 'github__create_pull_request' },
    { why: 'the name itself', query: 'mongodb__create-index', first: 'mongodb__create-index' },
    {
      why: 'words that are written together',
      query: 'browserTakeScreenshot',
      first: 'playwright__browser_take_screenshot',
    },
    { why: 'other forms of a word', query: 'merging pull requests', first: 'github__merge_pull_request' },
    { why: 'words of the description', query: 'unstage everything that is staged', first: 'git__git_reset' },
    { why: 'words of a parameter', query: 'convert between timezones', first: 'time__convert_time' },
    { why: 'a slip of the fingers', query: 'take a screnshot', first: 'playwright__browser_take_screenshot' },
    { why: 'several wordings at once', query: 'draft email, compose message', first: 'gmail__draft_email' },
  ])('$why: $query', ({ query, first }) => {
    expect(found(query, 1)).toEqual([first])
  })

  test('the same question has the same answer, whatever came between', () => {
    const before = found('list files', 20)
    found('something else')
    expect(found('list files', 20)).toEqual(before)
  })

  test('no more are named than were asked for, and none where nothing fits', () => {
    expect(found('file', 3)).toHaveLength(3)
    expect(found('zzzzqqqq')).toEqual([])
    expect(found('please what should I do with this')).toEqual([])
    expect(found('')).toEqual([])
  })
})

describe('tools of all kinds', () => {
  test.each<{ why: string; tools: SearchedTool[]; query: string; found: string[] }>([
    { why: 'no tools', tools: [], query: 'a', found: [] },
    { why: 'a text that is no tool', tools: [{ name: 'odd', text: '[' }], query: 'odd', found: ['odd'] },
    {
      why: 'members of the wrong type',
      tools: [tool('odd', 7 as never, { inputSchema: { properties: [] }, annotations: 'x' })],
      query: 'odd',
      found: ['odd'],
    },
    {
      why: 'a title',
      tools: [tool('x', '', { annotations: { title: 'Weather' } })],
      query: 'weather',
      found: ['x'],
    },
    {
      why: 'another script, by a part of a word',
      tools: [tool('a', '查询12306车票信息'), tool('b', '实时行情')],
      query: '车票',
      found: ['a'],
    },
    {
      why: 'names such as constructor',
      tools: [tool('constructor', 'Makes.')],
      query: 'constructor',
      found: ['constructor'],
    },
    {
      why: 'a question that shares no word with the tool, and means it',
      tools: [tool('delete_email', 'Deletes an email.'), tool('list_branches', 'Lists branches.')],
      query: 'throw this mail away',
      found: ['delete_email'],
    },
    {
      why: 'a question that means another thing',
      tools: [tool('delete_email', 'Deletes an email.'), tool('list_branches', 'Lists branches.')],
      query: 'quantum physics',
      found: [],
    },
  ])('$why', async ({ tools: some, query, found: names }) => {
    const one = await createToolSearch(some)
    expect(one.find(query, 5).map(({ name }) => name)).toEqual(names)
  })

  test('a long question and long descriptions take no long time', async () => {
    const words = Array.from({ length: 20_000 }, (_, at) => `w${at}`).join(' ')
    const begun = performance.now()
    const one = await createToolSearch(Array.from({ length: 50 }, (_, at) => tool(`t${at}`, words)))
    one.find(words, 5)
    expect(performance.now() - begun).toBeLessThan(3_000)
  })

  test('other work goes on while a large list is made ready', async () => {
    let turns = 0
    let ready = false
    const turn = (): void => {
      if (ready) return
      turns++
      setImmediate(turn)
    }
    setImmediate(turn)
    await createToolSearch(Array.from({ length: 800 }, (_, at) => tools[at % 200] ?? tool('x', '')))
    ready = true
    expect(turns).toBeGreaterThan(50)
  })
})

describe('the three tools', () => {
  test('are whole definitions', () => {
    const shown = searchTools.map((text) => JSON.parse(text) as Record<string, unknown>)
    expect(shown.map(({ name }) => name)).toEqual(['find_tools', 'describe_tools', 'call_tool'])
    expect([...searchToolNames]).toEqual(['find_tools', 'describe_tools', 'call_tool'])
    for (const definition of shown) {
      expect(Object.keys(definition)).not.toContain('takes')
      expect(definition['inputSchema']).toMatchObject({ type: 'object' })
    }
  })

  test.each<{ why: string; name: string; args: unknown; read: unknown }>([
    { why: 'a question', name: 'find_tools', args: { query: 'a' }, read: { tool: 'find_tools', query: 'a' } },
    {
      why: 'no question',
      name: 'find_tools',
      args: undefined,
      read: 'find_tools takes { "query": "create calendar event" }, and a limit from 1 to 50.',
    },
    {
      why: 'too many',
      name: 'find_tools',
      args: { query: 'a', limit: 51 },
      read: 'find_tools takes { "query": "create calendar event" }, and a limit from 1 to 50.',
    },
    {
      why: 'names',
      name: 'describe_tools',
      args: { names: ['a'] },
      read: { tool: 'describe_tools', names: ['a'] },
    },
    {
      why: 'one name in place of a list',
      name: 'describe_tools',
      args: { names: 'a' },
      read: 'describe_tools takes { "names": ["…"] }, 1 to 20 of them.',
    },
    { why: 'a call', name: 'call_tool', args: { name: 'a' }, read: { tool: 'call_tool', name: 'a' } },
    {
      why: 'arguments beside the name in place of within',
      name: 'call_tool',
      args: { name: 'a', path: '/' },
      read: 'call_tool takes { "name": "…", "arguments": { … } }.',
    },
    { why: 'another tool', name: 'other', args: {}, read: 'There is no tool other.' },
  ])('$why', ({ name, args, read }) => {
    expect(readSearchArguments(name, args)).toEqual(read as never)
  })

  test('answer in lines and definitions', () => {
    const two = [tool('a', 'Does this. And that.'), tool('b', '\n  First\nsecond')]
    expect(JSON.parse(findResult(two))).toEqual({
      content: [{ type: 'text', text: 'a: Does this.\nb: First' }],
    })
    expect(JSON.parse(findResult([]))).toMatchObject({
      content: [{ text: expect.stringContaining('No tool fits') }],
    })
    const described = JSON.parse(describeResult(two, ['z'])) as {
      content: { text: string }[]
      isError?: true
    }
    expect(described.content[0]?.text).toBe(
      `[${two.map(({ text }) => text).join(',\n')}]\nNo such tool: z. Ask find_tools.`,
    )
    expect(described.isError).toBeUndefined()
    expect(JSON.parse(describeResult([], ['z']))).toMatchObject({ isError: true })
    expect(JSON.parse(describeResult([], [], ['z'])).content[0].text).toBe(
      'Not known now, as not all servers can be asked: z. Try again in a moment.',
    )
    expect(JSON.parse(searchRefusal('why'))).toEqual({
      content: [{ type: 'text', text: 'why' }],
      isError: true,
    })
  })

  test('cost a client under 5 % of the whole list', () => {
    const whole = tools.reduce((sum, { text }) => sum + text.length, 0)
    const shares = tuningQuestions.map(({ asks }) => {
      const ten = search.find(asks, 10)
      return searchTools.join('').length + findResult(ten).length + describeResult(ten.slice(0, 1), []).length
    })
    const average = shares.reduce((sum, share) => sum + share, 0) / shares.length
    expect(average / whole).toBeLessThan(0.05)
  })
})

test.each([
  { text: 'Reads a file. Twice.', first: 'Reads a file.' },
  { text: '  \n\n Reads v1.2 of it\nmore', first: 'Reads v1.2 of it' },
  { text: '查询车票。更多', first: '查询车票。更多' },
  { text: '', first: '' },
  { text: 'x'.repeat(300), first: `${'x'.repeat(199)}…` },
])('the first sentence of a description: $first', ({ text, first }) => {
  expect(firstSentence(text)).toBe(first)
})
