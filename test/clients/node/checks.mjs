/**
 * What every client in JavaScript is asked to do. One JSON line for each feature: {"feature", "ok", "detail"}.
 * An adapter has a method for each thing that its library can do; what it lacks is left out.
 */
const featureMs = 12_000
/** Longer, because a client may start processes of its own first. */
const initializeMs = 30_000
const heardMs = 5_000
const uri = 'feature://text'

/** What a client answers when it is asked something. */
export const answers = { name: 'Zoë', model: 'four', root: 'file:///features' }

/** What the server told without being asked. */
export class Heard {
  progress = []
  logs = []
  updates = []
  listChanges = []
}

function tell(feature, ok, detail) {
  process.stdout.write(`${JSON.stringify({ feature, ok, detail: String(detail ?? '').slice(0, 400) })}\n`)
}

function reasonOf(error) {
  const words = error instanceof Error ? error.message : String(error)
  return error?.cause ? `${words} <- ${reasonOf(error.cause)}` : words
}

function same(actual, expected) {
  const [shown, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (shown !== wanted) throw new Error(`${String(shown).slice(0, 200)} instead of ${wanted.slice(0, 200)}`)
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function attempt(feature, check) {
  const boundMs = feature === 'initialize' ? initializeMs : featureMs
  const late = AbortSignal.timeout(boundMs)
  const bound = new Promise((_, reject) => {
    late.addEventListener('abort', () => reject(new Error(`no end within ${boundMs} ms`)))
  })
  try {
    tell(feature, true, await Promise.race([check(), bound]))
    return true
  } catch (error) {
    tell(feature, false, reasonOf(error))
    return false
  }
}

async function until(what, reached) {
  const deadline = performance.now() + heardMs
  while (!(await reached())) {
    if (performance.now() > deadline) throw new Error(`waited ${heardMs} ms for ${what}`)
    await sleep(20)
  }
}

const textOf = (result) => result.content[0].text

function checksOf(adapter) {
  const { heard } = adapter
  const answersWith = async (tool, args, expected) => same(textOf(await adapter.call(tool, args)), expected)
  /** The text with which a call fails, however the library shows it. */
  const fails = async (tool, expected) => {
    const message = await adapter.call(tool, {}).then((result) => {
      if (result.isError) return textOf(result)
      throw new Error(`answered ${JSON.stringify(result).slice(0, 200)}`)
    }, reasonOf)
    if (!message.includes(expected)) throw new Error(`no reason in: ${message}`)
    return message
  }
  /** Until it is heard of: a notification of no request may come before the client's stream is open. */
  const repeat = (tool, reached) =>
    until(`the notification of ${tool}`, async () => {
      if (!reached()) await adapter.call(tool, {})
      return reached()
    })
  return {
    tools: async () => same((await adapter.tools()).includes('echo'), true),
    call: () => answersWith('echo', { text: 'hello' }, 'hello'),
    unicode: async () => {
      const text = 'ünï 漢字 😀 \u2028 "q" </script>'
      await answersWith('echo', { text }, text)
    },
    structured: async () => same((await adapter.call('sum', { a: 1, b: 2 })).structuredContent, { sum: 3 }),
    big_result: () => answersWith('big', {}, 'é'.repeat(500_000)),
    parallel: () =>
      Promise.all(
        Array.from({ length: 20 }, (_, at) => answersWith('echo', { text: `p${at}` }, `p${at}`)),
      ).then(() => ''),
    tool_error: () => fails('refuse', 'refused: bäd'),
    protocol_error: () => fails('break', 'broken: bäd'),
    progress: async () => {
      same(
        textOf(await adapter.call('count', {}, { onProgress: (step) => heard.progress.push(step) })),
        'counted',
      )
      await until('three steps', () => heard.progress.join() === '1,2,3')
    },
    cancel: async () => {
      const key = crypto.randomUUID()
      const abort = new AbortController()
      const is = async (word) => textOf(await adapter.call('waited', { key })) === word
      adapter.call('wait', { key }, { signal: abort.signal }).catch(() => {})
      await until('the call to begin', () => is('begun'))
      abort.abort()
      await until('the server to hear of it', () => is('cancelled'))
    },
    logging: async () => {
      await adapter.logEverything()
      await repeat('log', () => heard.logs.includes('logged: ünï'))
    },
    resources: async () => {
      same((await adapter.resources()).includes(uri), true)
      same(await adapter.read(uri), 'text: ünï')
    },
    subscribe: async () => {
      await adapter.subscribe(uri)
      await repeat('touch', () => heard.updates.includes(uri))
    },
    prompts: async () => {
      same((await adapter.prompts()).includes('greet'), true)
      same(await adapter.prompt('greet', { name: 'Zoë' }), 'Hello Zoë')
    },
    completion: async () => same(await adapter.complete('greet', 'name', 'pa'), ['paris', 'parma']),
    elicitation: () => answersWith('ask_form', {}, `accept ${answers.name}`),
    sampling: () => answersWith('ask_model', {}, answers.model),
    roots: () => answersWith('ask_roots', {}, answers.root),
    list_changed: () => repeat('grow', () => heard.listChanges.length > 0),
    // Last, because it ends the server. The message of the gateway reaches the user, and the next call works.
    crash: async () => {
      const message = await fails('die', 'exit')
      await answersWith('echo', { text: 'again' }, 'again')
      return message
    },
  }
}

/** `open(endpoint, url, token)` connects and answers an adapter with its `version`. */
export async function main(open, lacks = []) {
  const [endpoint, url, token] = process.argv.slice(2)
  // What a library throws beside the call that it belongs to is no end of the program.
  process.on('uncaughtException', (error) => process.stderr.write(`${reasonOf(error)}\n`))
  let adapter
  const opened = await attempt('initialize', async () => {
    adapter = await open(endpoint, url, token)
    return adapter.version
  })
  const skipped = [...lacks, ...(process.env.SKIPPED ?? '').split(' ')]
  if (opened) {
    for (const [feature, check] of Object.entries(checksOf(adapter))) {
      if (!skipped.includes(feature)) await attempt(feature, check)
    }
    await Promise.race([adapter.close().catch(() => {}), sleep(2_000)])
  }
  process.exit(0)
}
