/**
 * A server on a pipe, of 2025-11-25, with something of everything that the console shows.
 *
 *   bun test/support/showing-server.ts [--hostile] [--tools N] [--says LINE]
 *
 * Tools: `greet` takes arguments of every kind and mirrors them; `count` reports progress; `ask_name` asks the person,
 * `ask_page` to open a page, `ask_model` a model, `ask_roots` for roots; `picture`, `sound`, `drawing` (an SVG image),
 * `links`, `report` (structured, with digits that no number type keeps), `flood`, `fail`, `hang` until it is cancelled. Prompts,
 * resources and templates. With `--hostile` all that it says is markup that would run if it were taken for markup;
 * with `--tools N` it lists N tools more.
 */
import { createInterface } from 'node:readline'

interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: unknown
  readonly error?: unknown
}

const flags = process.argv.slice(2)
const hostile = flags.includes('--hostile')
const further = Number(flags[flags.indexOf('--tools') + 1]) || 0
const says = flags.includes('--says') ? (flags[flags.indexOf('--says') + 1] ?? '') : 'ready'
const attack = '<img src=x onerror="document.title=\'pwned\'"><script>document.title="pwned"</script>'
/** What it says to people; with `--hostile` markup. */
const said = (text: string): string => (hostile ? `${attack}${text}` : text)

/** One pixel, and a tenth of a second of silence. */
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=='
const wav = Buffer.concat([
  Buffer.from('RIFF'),
  Buffer.from(Uint32Array.of(36 + 800).buffer),
  Buffer.from('WAVEfmt '),
  Buffer.from(Uint32Array.of(16).buffer),
  Buffer.from(Uint16Array.of(1, 1).buffer),
  Buffer.from(Uint32Array.of(8_000, 8_000).buffer),
  Buffer.from(Uint16Array.of(1, 8).buffer),
  Buffer.from('data'),
  Buffer.from(Uint32Array.of(800).buffer),
  Buffer.alloc(800, 128),
]).toString('base64')
const svg = Buffer.from(
  `<svg xmlns="http://www.w3.org/2000/svg" onload="document.title='pwned'">${attack}</svg>`,
).toString('base64')

const nothing = { type: 'object', properties: {} }
const greeting = {
  type: 'object',
  properties: {
    name: { type: 'string', description: said('Whom to greet.'), minLength: 1, maxLength: 60 },
    times: { type: 'integer', minimum: 1, maximum: 9_007_199_254_740_992_000, default: 1 },
    tone: { enum: ['warm', 'cool'], description: 'How it sounds.' },
    loud: { type: 'boolean' },
    day: { type: 'string', format: 'date' },
    guests: { type: 'array', items: { type: 'string', maxLength: 40 } },
    place: {
      type: 'object',
      properties: { city: { type: 'string', maxLength: 40 }, zip: { type: 'string', maxLength: 10 } },
      required: ['city'],
    },
    gift: {
      oneOf: [
        {
          title: 'A book',
          type: 'object',
          properties: { title: { type: 'string', maxLength: 40 } },
          required: ['title'],
        },
        { title: 'Flowers', type: 'object', properties: { count: { type: 'integer' } }, required: ['count'] },
      ],
    },
  },
  required: ['name'],
}

type Work = (call: Call) => Promise<unknown>

interface Call {
  readonly id: string | number
  readonly args: Readonly<Record<string, unknown>>
  /** The request as it came. */
  readonly text: string
  readonly token: unknown
}

const text = (line: string) => ({ content: [{ type: 'text', text: said(line) }] })

/** By name: what it is for, what it takes, what it does. */
const tools: Readonly<Record<string, readonly [description: string, schema: unknown, work: Work]>> = {
  greet: ['Greets somebody.', greeting, async ({ text: raw }) => text(raw)],
  count: [
    'Counts, and says how far it is.',
    {
      type: 'object',
      properties: { to: { type: 'integer', minimum: 1, maximum: 500 }, everyMs: { type: 'integer' } },
      required: ['to'],
    },
    async ({ args, token }) => {
      const to = Number(args['to'])
      for (let at = 1; at <= to; at++) {
        await Bun.sleep(Number(args['everyMs'] ?? 20))
        tell('notifications/progress', {
          progressToken: token,
          progress: at,
          total: to,
          message: said(`step ${at}`),
        })
      }
      return text(`counted to ${to}`)
    },
  ],
  ask_name: [
    'Asks for a name.',
    nothing,
    async () => {
      const requestedSchema = {
        type: 'object',
        properties: {
          name: { type: 'string', title: said('Your name') },
          colour: {
            type: 'string',
            oneOf: [
              { const: 'r', title: 'Red' },
              { const: 'g', title: 'Green' },
            ],
          },
        },
        required: ['name'],
      }
      const answer = await ask('elicitation/create', { message: said('Who are you?'), requestedSchema })
      return text(`answered ${JSON.stringify(answer)}`)
    },
  ],
  ask_page: [
    'Asks to open a page.',
    nothing,
    async () => {
      const url = hostile ? 'javascript:document.title="pwned"' : 'https://example.com/pay?order=7'
      const answer = await ask('elicitation/create', {
        mode: 'url',
        elicitationId: 'e1',
        url,
        message: said('Please pay.'),
      })
      return text(`answered ${JSON.stringify(answer)}`)
    },
  ],
  ask_model: [
    'Asks a model.',
    nothing,
    async () => {
      const messages = [
        { role: 'user', content: { type: 'text', text: said('What is the capital of France?') } },
      ]
      return text(
        `answered ${JSON.stringify(await ask('sampling/createMessage', { messages, maxTokens: 100 }))}`,
      )
    },
  ],
  ask_roots: [
    'Asks for roots.',
    nothing,
    async () => text(JSON.stringify(await ask('roots/list', undefined))),
  ],
  picture: [
    'Shows a picture.',
    nothing,
    async () => ({ content: [{ type: 'image', data: png, mimeType: 'image/png' }] }),
  ],
  sound: [
    'Plays a sound.',
    nothing,
    async () => ({ content: [{ type: 'audio', data: wav, mimeType: 'audio/wav' }] }),
  ],
  drawing: [
    'Shows a drawing.',
    nothing,
    async () => ({ content: [{ type: 'image', data: svg, mimeType: 'image/svg+xml' }] }),
  ],
  links: [
    'Names resources and pages.',
    nothing,
    async () => ({
      content: [
        { type: 'resource_link', uri: 'show://note', name: said('A note') },
        {
          type: 'resource_link',
          uri: hostile ? 'javascript:document.title="pwned"' : 'https://example.com/a?b=c',
          name: 'A page',
        },
        {
          type: 'resource',
          resource: { uri: 'show://inline', mimeType: 'text/plain', text: said('inline text') },
        },
      ],
    }),
  ],
  report: [
    'Answers with structure.',
    nothing,
    async () =>
      '{"content":[{"type":"text","text":"see below"}],"structuredContent":{"big":9007199254740993,"price":1.10}}',
  ],
  flood: [
    'Tells more than anybody reads, and answers at length.',
    nothing,
    async ({ token }) => {
      for (let at = 1; at <= 20_000; at++) {
        tell('notifications/progress', { progressToken: token, progress: at })
        if (at % 100 === 0) tell('notifications/message', { level: 'info', data: said(`line ${at}`) })
        if (at % 1_000 === 0) await Bun.sleep(1)
      }
      return text('x'.repeat(4_000_000))
    },
  ],
  fail: ['Fails.', nothing, async () => ({ ...text('it went wrong'), isError: true })],
  hang: ['Waits until it is cancelled.', nothing, () => new Promise(() => {})],
}

const listed = [
  ...Object.entries(tools).map(([name, [description, inputSchema]]) => ({
    name,
    description: said(description),
    inputSchema,
    ...(name === 'greet' && { annotations: { readOnlyHint: true, title: said('Greet') } }),
  })),
  ...Array.from({ length: further }, (_, at) => ({
    name: `further_${at}`,
    description: said(`The tool number ${at} of many, with a sentence that says what it is for.`),
    inputSchema: nothing,
  })),
]
const pageSize = 1_000

const prompts = [
  {
    name: 'review',
    description: said('Reviews a text.'),
    arguments: [{ name: 'text', required: true }, { name: 'style' }],
  },
]
const resources = [
  { uri: 'show://note', name: 'note', description: said('A note.'), mimeType: 'text/plain' },
  { uri: 'show://pixel', name: 'pixel', mimeType: 'image/png' },
  { uri: 'show://page', name: 'page', mimeType: 'text/html' },
]
const resourceTemplates = [
  { uriTemplate: 'show://greeting/{name}', name: 'greeting', description: said('A greeting.') },
]

function read(uri: string): unknown {
  if (uri === 'show://pixel') return { contents: [{ uri, mimeType: 'image/png', blob: png }] }
  if (uri === 'show://page') return { contents: [{ uri, mimeType: 'text/html', text: attack }] }
  if (uri === 'show://note') return { contents: [{ uri, mimeType: 'text/plain', text: said('buy milk') }] }
  const [, name] = /^show:\/\/greeting\/(.+)$/.exec(uri) ?? []
  return name === undefined ? null : { contents: [{ uri, text: said(`Hello, ${decodeURIComponent(name)}`) }] }
}

const waiting = new Map<number, (answer: unknown) => void>()
let lastId = 0

function write(message: object): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
}

function tell(method: string, params: object): void {
  write({ method, params })
}

function ask(method: string, params: object | undefined): Promise<unknown> {
  const id = ++lastId
  write({ id, method, ...(params === undefined ? {} : { params }) })
  return new Promise((resolve) => waiting.set(id, resolve))
}

async function answer({ id = 0, method, params = {} }: Message, raw: string): Promise<void> {
  const result = await resultOf(id, method, params, raw)
  if (typeof result === 'string')
    process.stdout.write(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}\n`)
  else if (result === null) write({ id, error: { code: -32602, message: said('no such thing') } })
  else write({ id, result })
}

function resultOf(
  id: string | number,
  method: string | undefined,
  params: NonNullable<Message['params']>,
  raw: string,
): unknown {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {}, prompts: {}, resources: {}, logging: {} },
        serverInfo: { name: said('showing'), version: said('1.0.0') },
        instructions: said('Shows everything once.'),
      }
    case 'tools/list': {
      const from = Number(params['cursor'] ?? 0)
      const to = from + pageSize
      return { tools: listed.slice(from, to), ...(to < listed.length && { nextCursor: String(to) }) }
    }
    case 'tools/call': {
      const { name, arguments: args = {}, _meta } = params
      const found = Object.hasOwn(tools, String(name)) ? tools[String(name)] : undefined
      const token = (_meta as { readonly progressToken?: unknown } | undefined)?.progressToken
      if (found === undefined) return String(name).startsWith('further_') ? text('done') : null
      return found[2]({ id, args: args as Record<string, unknown>, text: raw, token })
    }
    case 'prompts/list':
      return { prompts }
    case 'prompts/get': {
      const about = JSON.stringify(params['arguments'] ?? {})
      return { messages: [{ role: 'user', content: { type: 'text', text: said(`Review ${about}`) } }] }
    }
    case 'resources/list':
      return { resources }
    case 'resources/templates/list':
      return { resourceTemplates }
    case 'resources/read':
      return read(String(params['uri']))
    case 'ping':
    case 'logging/setLevel':
      return {}
    default:
      return null
  }
}

if (says !== '') process.stderr.write(`${said(says)}\n`)
createInterface({ input: process.stdin }).on('line', (line) => {
  const message = JSON.parse(line) as Message
  if (message.method === undefined) {
    waiting.get(Number(message.id))?.(message.result ?? message.error)
    waiting.delete(Number(message.id))
  } else if (message.id !== undefined) void answer(message, line)
})
