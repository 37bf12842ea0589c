import { type ArgsDef, defineCommand } from 'citty'
import { settings } from '../../config/schema.ts'
import { CommandError, UsageError } from '../../errors.ts'
import { clients, nameInClients, type Snippet, type SnippetParts } from '../../snippets/clients.ts'
import { printable } from '../../telemetry/printable.ts'
import { asJson, serverArgument, wantsJson } from '../admin/admin-api.ts'
import { endpointsOf } from '../admin/server-state.ts'
import { parseArguments } from '../arguments.ts'
import { findingFlags, urlFlag } from '../config-flags.ts'
import { addressOf, gatewayUrl, readSettings } from '../configuration.ts'
import { directWhenLocal, unreachableReason } from '../gateway-fetch.ts'
import { print } from '../terminal/output.ts'
import { complain } from '../terminal/terminal.ts'

/** What clients call the gateway where they reach all servers at once. */
const nameOfAll = 'compozy'
/** The file is written whether or not somebody answers. */
const answerMsMax = 3_000

const args: ArgsDef = {
  name: {
    ...serverArgument,
    required: false,
    description: 'Name of the server or group; without it, all of them at /mcp.',
  },
  client: {
    type: 'enum',
    options: Object.keys(clients),
    valueHint: 'client',
    description: `Which client it is for: ${Object.keys(clients).join(', ')}.`,
  },
  url: urlFlag,
  token: {
    type: 'string',
    valueHint: 'token',
    description:
      'Client token to write into it.\ndefault: a variable or a placeholder, where a token is needed',
  },
  json: { type: 'boolean', description: 'Prints JSON, for programs.' },
  ...findingFlags,
}

export const snippet = defineCommand({
  meta: {
    name: 'snippet',
    description: [
      'Prints what a client needs in its settings to reach a server, and says where they are.',
      '  compozy servers snippet files --client cursor',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name] = positionals
    const client = flags['client']?.at(-1)
    const make = Object.entries(clients).find(([known]) => known === client)?.[1]
    if (client === undefined || make === undefined)
      throw new UsageError(`--client is missing; it is one of ${Object.keys(clients).join(', ')}`)
    const given = flags['token']?.at(-1)
    const found = await readSettings(flags, (value) => ({
      address: flags['url'] === undefined ? addressOf(value) : null,
      baseUrl: flags['url'] === undefined ? value(settings.baseUrl) : null,
      asks:
        value(settings.auth.globalTokens).length > 0 ||
        value(settings.auth.keys).some(({ role }) => role === null),
    }))
    const base = await gatewayUrl(flags, found.address)
    const asks = (await askedForToken(base, name, given)) ?? found.asks
    const url = urlOf(found.baseUrl ?? base, name)
    const shown = nameInClients(name ?? nameOfAll)
    const parts: SnippetParts = { name: shown, url, token: given ?? (asks ? 'asked' : null) }
    const made: Snippet = make(parts)
    if (wantsJson(flags)) print(asJson({ client, ...made }))
    else printSnippet(made)
    return 0
  },
})

/** Where a client reaches the server, or all of them. */
function urlOf(base: string, name: string | undefined): string {
  return name === undefined ? `${base.replace(/\/+$/, '')}/mcp` : endpointsOf(base, name)[0]
}

/**
 * Whether clients of the server need a token, asked as one of them; null where nobody answers. Throws a CommandError
 * when there is no such server, or when the token that was given does not open it.
 */
async function askedForToken(
  base: string,
  name: string | undefined,
  token: string | undefined,
): Promise<boolean | null> {
  const url = urlOf(base, name)
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(answerMsMax),
      ...directWhenLocal(base),
      // Not what a client of a stream asks for: nothing is opened.
      headers: {
        accept: 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    })
    await response.body?.cancel()
    if (response.status === 404) {
      // Whoever may not use a server is not told that it is there.
      const orClosed = token === undefined ? '' : ', or this token does not open it'
      const what =
        name === undefined
          ? 'serves nothing at /mcp (default_group)'
          : `has no server ${name}${orClosed}: "compozy servers list" shows those that it has`
      throw new CommandError(`the gateway at ${base} ${what}`)
    }
    if (response.status !== 401) return false
    if (token !== undefined) throw new CommandError(`the gateway at ${base} does not take this token`, 4)
    return true
  } catch (thrown) {
    if (thrown instanceof CommandError) throw thrown
    complain(`compozy: warning: no gateway answers at ${base}: ${printable(unreachableReason(thrown))}`)
    return null
  }
}

/** The snippet alone on standard output, so that it can be written to a file; where it belongs beside it. */
function printSnippet({ title, places, text, command, warning, notes }: Snippet): void {
  complain(`${title}: ${places[0] ?? ''}`)
  for (const place of places.slice(1)) complain(`${' '.repeat(title.length)}  ${place}`)
  complain('')
  print(text)
  if (command !== null) complain(`\nor: ${command}`)
  if (warning !== null) complain(`\n${warning}`)
  if (notes.length > 0) complain(`\n${notes.join('\n')}`)
}
