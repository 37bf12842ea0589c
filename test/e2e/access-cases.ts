/** The world of access-table.test.ts, and who may use what in it. */
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import type { RunningGateway } from '../support/gateway.ts'
import { startIssuer, type TestIssuer } from '../support/issuer.ts'
import { ListingServer, tool } from '../support/listing-server.ts'
import { startOAuthGateway } from '../support/oauth-gateway.ts'

export interface AccessCase {
  readonly who: string
  /** A server, a group, or `mcp`. */
  readonly at: string
  readonly kind: 'tool' | 'prompt' | 'resource' | 'template'
  /** As it is called there. */
  readonly name: string
  readonly allowed: boolean
  /** What an admin is told. */
  readonly rule: string
  readonly why: string
  /** Of a caller who is not let in at all. */
  readonly status?: number
  readonly verdict?: string
  /** False for what fits a template and stands in no list. */
  readonly listed?: false
}

export interface World extends AsyncDisposable {
  readonly gateway: RunningGateway
  /** Of people. */
  readonly issuer: string
  /** Null for nobody's. */
  tokenOf(who: string): Promise<string | null>
  /** What `GET /admin/access` says. */
  explain(one: AccessCase): Promise<unknown>
}

const audience = 'api://mcp'
const adminToken = 'the-admin'
const tokens: Readonly<Record<string, string>> = {
  global: 'the-global-token',
  'token of guarded': 'the-token-of-guarded',
  'token of closed': 'the-token-of-closed',
  'token of team': 'the-token-of-team',
}

/** What the tokens of people say; who is not here has no token. */
const people: Readonly<
  Record<string, { readonly groups?: readonly string[]; readonly scope?: string; readonly sub?: string }>
> = {
  eng: { groups: ['eng'] },
  ops: { groups: ['others', 'ops'] },
  readers: { groups: ['readers'] },
  writers: { groups: ['writers'] },
  teamers: { groups: ['teamers'] },
  lookers: { groups: ['lookers'] },
  finders: { groups: ['finders'] },
  stars: { groups: ['stars'] },
  'eng and ops': { groups: ['eng', 'ops'] },
  two: { groups: ['two'] },
  empty: { groups: ['empty'] },
  scoped: { scope: 'openid mcp:read' },
  bob: { sub: 'bob' },
  'bob the vip': { sub: 'bob', groups: ['vip'] },
  vip: { groups: ['vip'] },
  stranger: {},
}

/** By id; the text of each is made with it. */
const keys: Readonly<Record<string, { readonly id: string; readonly more: object }>> = {
  'key of docs': { id: 'gdocs111', more: { access: [{ servers: ['docs'] }] } },
  'key of files': { id: 'gfiles11', more: { access: [{ servers: ['files'], tools: ['write'] }] } },
  'key that searches': {
    id: 'gsearch1',
    more: { access: [{ servers: ['docs', 'owned'], tools: ['search'] }] },
  },
  'key that reads': { id: 'greads11', more: { access: [{ servers: ['*'], readOnly: true }] } },
  'key of team': {
    id: 'gteam111',
    more: {
      access: [{ servers: ['team'], tools: ['docs__*', 'owned__*'], prompts: [], resources: ['docs://a'] }],
    },
  },
  'key of two rules': {
    id: 'gtworule',
    more: {
      access: [
        { servers: ['docs'], tools: ['search'], prompts: [] },
        { servers: ['d*'], tools: ['wr*'], prompts: ['greet'] },
      ],
    },
  },
  ci: { id: 'gci11111', more: { access: [{ servers: ['owned'] }] } },
  'key for svc': { id: 'gsvc1111', more: { user: 'svc', access: [{ servers: ['owned'] }] } },
  'key of nothing': { id: 'gnothing', more: { access: [] } },
  'key that has ended': { id: 'gended11', more: { access: [{ servers: ['*'] }], expires: '2020-01-01' } },
  'key of an admin': { id: 'gadmin11', more: { role: 'admin' } },
}
const texts = new Map(Object.entries(keys).map(([name, { id }]) => [name, makeKeyText(id)]))

const rulesFor = (issuer: string) => [
  { who: { claims: { groups: ['eng'] } }, servers: ['docs', 'files', 'owned'] },
  { who: { claims: { groups: ['ops'] } }, servers: ['docs'], tools: ['search', 'wr*'] },
  { who: { claims: { groups: ['readers'] } }, servers: ['*'], readOnly: true },
  {
    who: { claims: { groups: ['writers'] } },
    ...{ servers: ['docs'], tools: [], prompts: ['greet'], resources: ['docs://a', 'docs://item/*'] },
  },
  { who: { users: [`${issuer} bob`] }, servers: ['files'] },
  { who: { claims: { scopes: ['mcp:read'] } }, servers: ['files'], tools: ['search'] },
  { who: { claims: { groups: ['teamers'] } }, servers: ['team'] },
  {
    who: { claims: { groups: ['lookers'] } },
    ...{
      servers: ['team'],
      tools: ['docs__search', 'files__*'],
      prompts: ['docs__greet'],
      resources: ['docs://a'],
    },
  },
  { who: { claims: { groups: ['two'] } }, servers: ['docs'], tools: ['search'], prompts: [] },
  { who: { claims: { groups: ['two'] } }, servers: ['docs'], tools: ['write'], prompts: [] },
  { who: { users: [`${issuer} bob`], claims: { groups: ['vip'] } }, servers: ['docs'] },
  { who: { claims: { groups: ['finders'] } }, servers: ['found'], tools: ['docs__*'] },
  { who: { claims: { groups: ['stars'] } }, servers: ['*'], tools: ['search'] },
  { who: { claims: { groups: ['empty'] } }, servers: ['docs'], tools: [], prompts: [], resources: [] },
]

const tools = [
  tool('search', { annotations: { readOnlyHint: true } }),
  tool('write', { annotations: { readOnlyHint: false } }),
  tool('wipe'),
]
const itemsOf = (scheme: string) => ({
  tools,
  prompts: [{ name: 'greet' }, { name: 'review' }],
  resources: ['a', 'b'].map((name) => ({ uri: `${scheme}://${name}`, name })),
  templates: ['item', 'page'].map((name) => ({ uriTemplate: `${scheme}://${name}/{id}`, name })),
})

export async function openWorld(): Promise<World> {
  const issuer = await startIssuer()
  const docs = new ListingServer('docs', itemsOf('docs'))
  const files = new ListingServer('files', { ...itemsOf('files'), era: 'modern' })
  const owned = new ListingServer('owned', itemsOf('owned'))
  const filtered = new ListingServer('filtered', { tools, era: 'modern' })
  const guarded = new ListingServer('guarded', { tools })
  const closed = new ListingServer('closed', { tools })
  const servers = [docs, files, owned, filtered, guarded, closed]
  const all = [
    { server: 'docs' },
    { server: 'files' },
    { server: 'owned' },
    { server: 'filtered' },
    { server: 'guarded' },
  ]
  const gateway = await startOAuthGateway({
    via: 'executable',
    oauth: {
      issuers: [{ issuer: issuer.issuer, audiences: [audience] }],
      access: rulesFor(issuer.issuer),
    },
    auth: {
      global_tokens: [tokens['global']],
      admin_tokens: [adminToken],
      keys: Object.entries(keys).map(([name, { id, more }]) => ({
        ...{ id, name: name.replaceAll(' ', '-'), hash: hashOfKey(texts.get(name) ?? '') },
        ...more,
      })),
    },
    mcps: [
      docs.definition,
      files.definition,
      {
        ...owned.definition,
        access: [
          { who: { claims: { groups: ['eng'] } }, tools: ['search'], resources: ['owned://a'] },
          { who: { claims: { groups: ['teamers'] } }, tools: ['write'] },
          {
            who: { keys: ['ci', 'gsearch1', 'gteam111', 'gnothing'] },
            tools: ['write', 'search'],
            prompts: [],
          },
          { who: { users: ['svc'] }, tools: ['wipe'] },
        ],
      },
      { ...filtered.definition, toolFilter: { mode: 'allow', list: ['search'] } },
      { ...guarded.definition, authTokens: [tokens['token of guarded']] },
      { ...closed.definition, authTokens: [tokens['token of closed']], authTokensOnly: true },
      { name: 'team', transport: 'group', members: all, authTokens: [tokens['token of team']] },
      { name: 'found', transport: 'group', members: all, exposure: 'search' },
      {
        name: 'picked',
        transport: 'group',
        members: [
          { server: 'docs', allow: ['search', 'write'], rename: { search: 'lookup' } },
          { server: 'files', prefix: '', block: ['wipe'] },
        ],
        toolFilter: { mode: 'block', list: ['write'] },
      },
    ],
  })
  const signed = new Map<string, Promise<string>>()
  return {
    gateway,
    issuer: issuer.issuer,
    async tokenOf(who) {
      if (who === 'anonymous') return null
      const known = tokens[who] ?? texts.get(who)
      if (known !== undefined) return known
      const { sub = who, groups, scope } = people[who] ?? {}
      const token = signed.get(who) ?? issuer.token(audience, { sub, groups, scope })
      signed.set(who, token)
      return token
    },
    async explain(one) {
      const query = new URLSearchParams({
        principal: principalOf(issuer, one.who),
        server: one.at,
        [one.kind]: one.name,
      })
      const { groups = [], scope } = people[one.who] ?? {}
      for (const group of groups) query.append('claim', `groups=${group}`)
      for (const each of scope?.split(' ') ?? []) query.append('claim', `scopes=${each}`)
      const headers = { authorization: `Bearer ${adminToken}` }
      return await (await gateway.admin(`/access?${query}`, { headers })).json()
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      for (const server of servers) server[Symbol.dispose]()
      await issuer[Symbol.asyncDispose]()
    },
  }
}

/** As an admin finds it in the log. */
function principalOf({ issuer }: TestIssuer, who: string): string {
  const key = keys[who]
  if (key !== undefined) return `${who === 'key of an admin' ? 'admin' : 'key'}:${key.id}`
  const token = tokens[who]
  if (token !== undefined)
    return `token:${new Bun.CryptoHasher('sha256').update(token).digest('hex').slice(0, 8)}`
  return who === 'anonymous' ? who : `${issuer} ${people[who]?.sub ?? who}`
}

type Row = readonly [
  name: string,
  allowed: boolean,
  rule: string,
  why: string,
  more?: Pick<AccessCase, 'status' | 'verdict' | 'listed'>,
]

function rows(who: string, at: string, kind: AccessCase['kind'], ...given: readonly Row[]): AccessCase[] {
  return given.map(([name, allowed, rule, why, more]) => ({
    who,
    at,
    kind,
    name,
    allowed,
    rule,
    why,
    ...more,
  }))
}

const out = { status: 404, verdict: 'server_hidden' }
const unasked = { status: 401, verdict: 'server_hidden' }
const hiddenServer = { verdict: 'server_hidden' }
const unknown = { verdict: 'item_unknown' }

export const cases: readonly AccessCase[] = [
  ...rows('global', 'docs', 'tool', [
    'wipe',
    true,
    'a token of auth.global_tokens',
    'a global token reaches everything',
  ]),
  ...rows('global', 'docs', 'prompt', ['greet', true, 'a token of auth.global_tokens', 'and prompts']),
  ...rows('global', 'docs', 'resource', ['docs://b', true, 'a token of auth.global_tokens', 'and resources']),
  ...rows('global', 'docs', 'template', [
    'docs://page/{id}',
    true,
    'a token of auth.global_tokens',
    'and templates',
  ]),
  ...rows('global', 'owned', 'tool', [
    'wipe',
    true,
    'a token of auth.global_tokens',
    'rules of a server are about people and keys',
  ]),
  ...rows(
    'global',
    'filtered',
    'tool',
    ['search', true, 'toolFilter of filtered (allow) lists it', 'the filter lists it'],
    ['write', false, 'toolFilter of filtered (allow) does not list it', 'the filter does not'],
  ),
  ...rows('global', 'closed', 'tool', [
    'search',
    false,
    'no token of authTokens of the server',
    'authTokensOnly',
    unasked,
  ]),
  ...rows(
    'global',
    'mcp',
    'tool',
    ['docs__wipe', true, 'a token of auth.global_tokens', 'all servers together'],
    ['guarded__search', true, 'a token of auth.global_tokens', 'a global token opens it'],
    [
      'closed__search',
      false,
      'no token of authTokens of the server',
      'authTokensOnly holds at /mcp',
      hiddenServer,
    ],
    ['filtered__write', false, 'toolFilter of filtered (allow) does not list it', 'so does a filter'],
  ),
  ...rows(
    'global',
    'picked',
    'tool',
    ['docs__lookup', true, 'toolFilter of picked (block) does not list it', 'renamed'],
    ['docs__search', false, 'no server of the group picked has it', 'the old name is nobody’s', unknown],
    ['docs__wipe', false, 'allow or block of docs in the group picked hides it', 'allow does not have it'],
    [
      'docs__write',
      true,
      'toolFilter of picked (block) does not list it',
      'the filter of the group is about shown names',
    ],
    [
      'write',
      false,
      'toolFilter of picked (block) lists it, by the names that picked shows',
      'and hides this one',
    ],
    ['wipe', false, 'allow or block of files in the group picked hides it', 'block has it'],
    ['search', true, 'toolFilter of picked (block) does not list it', 'without a prefix'],
  ),
  ...rows('anonymous', 'docs', 'tool', [
    'search',
    false,
    'people sign in here (auth.oauth.issuers), and nobody comes in without a token',
    'where people sign in, nobody comes in without a token',
    unasked,
  ]),
  ...rows('token of guarded', 'guarded', 'tool', [
    'search',
    true,
    'a token of authTokens of the server',
    'its own token',
  ]),
  ...rows('token of guarded', 'docs', 'tool', [
    'search',
    false,
    'no token of auth.global_tokens',
    'of another server',
    unasked,
  ]),
  ...rows(
    'token of guarded',
    'mcp',
    'tool',
    ['guarded__search', true, 'a token of authTokens of the server', 'its own server'],
    ['docs__search', false, 'no token of auth.global_tokens', 'and no other', hiddenServer],
  ),
  ...rows('token of closed', 'closed', 'tool', [
    'wipe',
    true,
    'a token of authTokens of the server',
    'its own token alone',
  ]),
  ...rows(
    'token of team',
    'team',
    'tool',
    [
      'docs__write',
      true,
      'a token of authTokens of the group',
      'the token of a group opens servers without tokens',
    ],
    [
      'guarded__search',
      false,
      'no token of auth.global_tokens, nor of authTokens of the server',
      'and none that has some',
      hiddenServer,
    ],
    ['filtered__write', false, 'toolFilter of filtered (allow) does not list it', 'a filter holds'],
  ),
  ...rows('token of team', 'team', 'prompt', [
    'docs__greet',
    true,
    'a token of authTokens of the group',
    'and prompts',
  ]),
  ...rows('token of team', 'team', 'resource', [
    'docs://a',
    true,
    'a token of authTokens of the group',
    'and resources',
  ]),
  ...rows('token of team', 'docs', 'tool', [
    'search',
    false,
    'no token of auth.global_tokens',
    'a token of a group opens no server by itself',
    unasked,
  ]),
  ...rows('eng', 'docs', 'tool', ['wipe', true, 'auth.oauth.access[0]', 'a rule without patterns opens all']),
  ...rows('eng', 'files', 'resource', [
    'files://b',
    true,
    'auth.oauth.access[0]',
    'also resources, of a modern server',
  ]),
  ...rows('eng', 'files', 'prompt', ['review', true, 'auth.oauth.access[0]', 'and prompts']),
  ...rows('eng', 'files', 'template', ['files://item/{id}', true, 'auth.oauth.access[0]', 'and templates']),
  ...rows(
    'eng',
    'owned',
    'tool',
    ['search', true, 'auth.oauth.access[0] and access[0] of owned', 'both places open it'],
    ['write', false, 'no rule of access of owned opens this tool', 'the server’s rule for eng does not'],
  ),
  ...rows(
    'eng',
    'owned',
    'resource',
    ['owned://a', true, 'auth.oauth.access[0] and access[0] of owned', 'both places'],
    ['owned://b', false, 'no rule of access of owned opens this resource', 'one of them'],
  ),
  ...rows('eng', 'owned', 'prompt', [
    'greet',
    true,
    'auth.oauth.access[0] and access[0] of owned',
    'nobody speaks of prompts',
  ]),
  ...rows('eng', 'guarded', 'tool', [
    'search',
    false,
    'no rule names guarded for this caller',
    'no rule names the server',
    out,
  ]),
  ...rows(
    'eng',
    'mcp',
    'tool',
    ['docs__wipe', true, 'auth.oauth.access[0]', 'as at the server'],
    ['owned__write', false, 'no rule of access of owned opens this tool', 'as at the server'],
    ['guarded__search', false, 'no rule names guarded for this caller', 'as at the server', hiddenServer],
  ),
  ...rows(
    'eng',
    'mcp',
    'resource',
    ['owned://b', false, 'no rule of access of owned opens this resource', 'as at the server'],
    ['files://a', true, 'auth.oauth.access[0]', 'as at the server'],
  ),
  ...rows('eng', 'team', 'tool', [
    'docs__search',
    false,
    'no rule names team for this caller',
    'no rule names the group',
    out,
  ]),
  ...rows(
    'ops',
    'docs',
    'tool',
    ['write', true, 'auth.oauth.access[1]', 'a pattern'],
    ['wipe', false, 'no rule of auth.oauth.access opens this tool', 'no pattern'],
    ['Search', false, 'docs lists no tool of this name', 'names have a case', unknown],
  ),
  ...rows('ops', 'docs', 'prompt', [
    'review',
    true,
    'auth.oauth.access[1]',
    'a rule without prompts opens all of them',
  ]),
  ...rows(
    'ops',
    'mcp',
    'tool',
    ['docs__write', true, 'auth.oauth.access[1]', 'by the server’s own name'],
    ['docs__wipe', false, 'no rule of auth.oauth.access opens this tool', 'as at the server'],
  ),
  ...rows('eng and ops', 'docs', 'tool', [
    'wipe',
    true,
    'auth.oauth.access[0]',
    'rules of one person add up',
  ]),
  ...rows(
    'readers',
    'docs',
    'tool',
    ['search', true, 'auth.oauth.access[2]', 'it says readOnlyHint'],
    [
      'write',
      false,
      'auth.oauth.access[2] opens only tools that say readOnlyHint: true',
      'it says that it writes',
    ],
    ['wipe', false, 'auth.oauth.access[2] opens only tools that say readOnlyHint: true', 'it says nothing'],
  ),
  ...rows(
    'readers',
    'files',
    'tool',
    ['search', true, 'auth.oauth.access[2]', 'also of a modern server'],
    [
      'write',
      false,
      'auth.oauth.access[2] opens only tools that say readOnlyHint: true',
      'also of a modern server',
    ],
  ),
  ...rows('readers', 'docs', 'resource', [
    'docs://b',
    true,
    'auth.oauth.access[2]',
    'readOnly is about tools',
  ]),
  ...rows(
    'readers',
    'mcp',
    'tool',
    ['docs__search', true, 'auth.oauth.access[2]', 'through /mcp'],
    [
      'docs__write',
      false,
      'auth.oauth.access[2] opens only tools that say readOnlyHint: true',
      'through /mcp',
    ],
  ),
  ...rows(
    'readers',
    'team',
    'tool',
    ['files__search', true, 'auth.oauth.access[2]', 'through a group'],
    [
      'docs__write',
      false,
      'auth.oauth.access[2] opens only tools that say readOnlyHint: true',
      'through a group',
    ],
  ),
  ...rows(
    'readers',
    'found',
    'tool',
    ['docs__search', true, 'auth.oauth.access[2]', 'found'],
    [
      'docs__wipe',
      false,
      'auth.oauth.access[2] opens only tools that say readOnlyHint: true',
      'neither found nor called',
    ],
  ),
  ...rows('writers', 'docs', 'tool', [
    'search',
    false,
    'no rule of auth.oauth.access opens this tool',
    'an empty list is nothing',
  ]),
  ...rows(
    'writers',
    'docs',
    'prompt',
    ['greet', true, 'auth.oauth.access[3]', 'named'],
    ['review', false, 'no rule of auth.oauth.access opens this prompt', 'not named'],
  ),
  ...rows(
    'writers',
    'docs',
    'resource',
    ['docs://a', true, 'auth.oauth.access[3]', 'named'],
    ['docs://b', false, 'no rule of auth.oauth.access opens this resource', 'not named'],
    ['docs://item/7', true, 'auth.oauth.access[3]', 'a pattern, by a template', { listed: false }],
  ),
  ...rows(
    'writers',
    'docs',
    'template',
    ['docs://item/{id}', true, 'auth.oauth.access[3]', 'a pattern'],
    ['docs://page/{id}', false, 'no rule of auth.oauth.access opens this template', 'no pattern'],
  ),
  ...rows(
    'writers',
    'mcp',
    'prompt',
    ['docs__greet', true, 'auth.oauth.access[3]', 'through /mcp'],
    ['docs__review', false, 'no rule of auth.oauth.access opens this prompt', 'through /mcp'],
  ),
  ...rows(
    'writers',
    'mcp',
    'resource',
    ['docs://a', true, 'auth.oauth.access[3]', 'through /mcp'],
    ['docs://b', false, 'no rule of auth.oauth.access opens this resource', 'through /mcp'],
  ),
  ...rows(
    'writers',
    'mcp',
    'template',
    ['docs://item/{id}', true, 'auth.oauth.access[3]', 'through /mcp'],
    ['docs://page/{id}', false, 'no rule of auth.oauth.access opens this template', 'through /mcp'],
  ),
  ...rows('bob', 'files', 'tool', ['wipe', true, 'auth.oauth.access[4]', 'named by issuer and subject']),
  ...rows('bob', 'docs', 'tool', [
    'search',
    false,
    'no rule names docs for this caller',
    'a claim is missing',
    out,
  ]),
  ...rows('bob the vip', 'docs', 'tool', ['search', true, 'auth.oauth.access[10]', 'user and claim fit']),
  ...rows('vip', 'docs', 'tool', [
    'search',
    false,
    'no rule names docs for this caller',
    'another user',
    out,
  ]),
  ...rows(
    'scoped',
    'files',
    'tool',
    ['search', true, 'auth.oauth.access[5]', 'a scope'],
    ['write', false, 'no rule of auth.oauth.access opens this tool', 'no pattern'],
  ),
  ...rows(
    'teamers',
    'team',
    'tool',
    [
      'docs__wipe',
      true,
      'auth.oauth.access[6]',
      'servers without rules of their own are open to whoever may use the group',
    ],
    ['owned__write', true, 'access[1] of owned', 'a rule of the server names teamers'],
    ['owned__search', false, 'no rule of access of owned opens this tool', 'and does not open this'],
    ['filtered__write', false, 'toolFilter of filtered (allow) does not list it', 'a filter holds'],
  ),
  ...rows('teamers', 'docs', 'tool', [
    'search',
    false,
    'no rule names docs for this caller',
    'not by itself',
    out,
  ]),
  ...rows('teamers', 'owned', 'tool', [
    'write',
    true,
    'access[1] of owned',
    'the rule of the server is enough',
  ]),
  ...rows(
    'lookers',
    'team',
    'tool',
    ['docs__search', true, 'auth.oauth.access[7]', 'a shown name'],
    [
      'docs__write',
      false,
      'no rule of auth.oauth.access opens this tool, by the names that team shows',
      'no pattern',
    ],
    ['files__wipe', true, 'auth.oauth.access[7]', 'a pattern of shown names'],
  ),
  ...rows(
    'lookers',
    'team',
    'prompt',
    ['docs__greet', true, 'auth.oauth.access[7]', 'a shown name'],
    [
      'docs__review',
      false,
      'no rule of auth.oauth.access opens this prompt, by the names that team shows',
      'no pattern',
    ],
  ),
  ...rows(
    'lookers',
    'team',
    'resource',
    ['docs://a', true, 'auth.oauth.access[7]', 'a URI'],
    [
      'docs://b',
      false,
      'no rule of auth.oauth.access opens this resource, by the names that team shows',
      'no pattern',
    ],
    [
      'files://a',
      false,
      'no rule of auth.oauth.access opens this resource, by the names that team shows',
      'no pattern',
    ],
  ),
  ...rows('lookers', 'team', 'template', [
    'docs://item/{id}',
    false,
    'no rule of auth.oauth.access opens this template, by the names that team shows',
    'no pattern',
  ]),
  ...rows(
    'two',
    'docs',
    'tool',
    ['search', true, 'auth.oauth.access[8]', 'by one rule'],
    ['write', true, 'auth.oauth.access[9]', 'by the other'],
    ['wipe', false, 'no rule of auth.oauth.access opens this tool', 'by none'],
  ),
  ...rows('two', 'docs', 'prompt', [
    'greet',
    false,
    'no rule of auth.oauth.access opens this prompt',
    'both say none',
  ]),
  ...rows(
    'finders',
    'found',
    'tool',
    ['docs__write', true, 'auth.oauth.access[11]', 'a shown name'],
    [
      'files__write',
      false,
      'no rule of auth.oauth.access opens this tool, by the names that found shows',
      'no pattern',
    ],
  ),
  ...rows(
    'stars',
    'docs',
    'tool',
    ['search', true, 'auth.oauth.access[12]', 'every server'],
    ['write', false, 'no rule of auth.oauth.access opens this tool', 'one tool'],
  ),
  ...rows(
    'stars',
    'mcp',
    'tool',
    ['docs__search', true, 'auth.oauth.access[12]', 'by the server’s own name'],
    ['docs__write', false, 'no rule of auth.oauth.access opens this tool', 'as at the server'],
  ),
  ...rows(
    'stars',
    'team',
    'tool',
    [
      'docs__search',
      false,
      'no rule of auth.oauth.access opens this tool, by the names that team shows',
      'the rule is about the group too, by the names that it shows',
    ],
    ['docs__write', false, 'no rule of auth.oauth.access opens this tool', 'as at the server'],
  ),
  ...rows(
    'stars',
    'found',
    'tool',
    [
      'files__search',
      false,
      'no rule of auth.oauth.access opens this tool, by the names that found shows',
      'the rule is about the group too, by the names that it shows',
    ],
    ['files__write', false, 'no rule of auth.oauth.access opens this tool', 'as at the server'],
  ),
  ...rows('empty', 'docs', 'tool', [
    'search',
    false,
    'no rule of auth.oauth.access opens this tool',
    'an empty list is nothing',
  ]),
  ...rows('empty', 'docs', 'prompt', [
    'greet',
    false,
    'no rule of auth.oauth.access opens this prompt',
    'an empty list is nothing',
  ]),
  ...rows('empty', 'docs', 'resource', [
    'docs://a',
    false,
    'no rule of auth.oauth.access opens this resource',
    'an empty list is nothing',
  ]),
  ...rows('empty', 'docs', 'template', [
    'docs://item/{id}',
    false,
    'no rule of auth.oauth.access opens this template',
    'an empty list is nothing',
  ]),
  ...rows('stranger', 'docs', 'tool', [
    'search',
    false,
    'no rule names docs for this caller',
    'signed in, and named by no rule',
    out,
  ]),
  ...rows('key of docs', 'docs', 'tool', [
    'wipe',
    true,
    'access[0] of key key-of-docs',
    'its rule opens all',
  ]),
  ...rows('key of docs', 'docs', 'template', [
    'docs://page/{id}',
    true,
    'access[0] of key key-of-docs',
    'templates too',
  ]),
  ...rows('key of docs', 'files', 'tool', [
    'write',
    false,
    'no rule of key key-of-docs names files',
    'another key opens that',
    out,
  ]),
  ...rows('key of docs', 'guarded', 'tool', [
    'search',
    false,
    'no rule of key key-of-docs names guarded',
    'not named',
    out,
  ]),
  ...rows(
    'key of docs',
    'mcp',
    'tool',
    ['docs__write', true, 'access[0] of key key-of-docs', 'at /mcp'],
    ['files__write', false, 'no rule of key key-of-docs names files', 'not named', hiddenServer],
  ),
  ...rows('key of docs', 'team', 'tool', [
    'docs__search',
    false,
    'no rule of key key-of-docs names team',
    'the group is not named',
    out,
  ]),
  ...rows(
    'key of files',
    'files',
    'tool',
    ['write', true, 'access[0] of key key-of-files', 'named'],
    ['search', false, 'no rule of key key-of-files opens this tool', 'not named'],
  ),
  ...rows('key of files', 'docs', 'tool', [
    'wipe',
    false,
    'no rule of key key-of-files names docs',
    'another key opens that',
    out,
  ]),
  ...rows(
    'key that searches',
    'docs',
    'tool',
    ['search', true, 'access[0] of key key-that-searches', 'named'],
    ['write', false, 'no rule of key key-that-searches opens this tool', 'not named'],
  ),
  ...rows('key that searches', 'docs', 'prompt', [
    'review',
    true,
    'access[0] of key key-that-searches',
    'its rule says nothing of prompts',
  ]),
  ...rows(
    'key that searches',
    'owned',
    'tool',
    ['search', true, 'access[0] of key key-that-searches and access[2] of owned', 'key and server open it'],
    [
      'write',
      false,
      'no rule of key key-that-searches opens this tool',
      'the server opens it, the key does not',
    ],
  ),
  ...rows('key that searches', 'owned', 'prompt', [
    'greet',
    false,
    'no rule of access of owned opens this prompt',
    'the key opens it, the server does not',
  ]),
  ...rows(
    'key that reads',
    'files',
    'tool',
    ['search', true, 'access[0] of key key-that-reads', 'it says readOnlyHint'],
    [
      'wipe',
      false,
      'access[0] of key key-that-reads opens only tools that say readOnlyHint: true',
      'it says nothing',
    ],
  ),
  ...rows('key that reads', 'owned', 'tool', [
    'search',
    false,
    'no rule of access of owned names this caller',
    'no rule of the server names the key',
    out,
  ]),
  ...rows(
    'key that reads',
    'mcp',
    'tool',
    ['guarded__search', true, 'access[0] of key key-that-reads', 'named by a pattern'],
    [
      'docs__write',
      false,
      'access[0] of key key-that-reads opens only tools that say readOnlyHint: true',
      'at /mcp',
    ],
    ['closed__search', false, 'no token of authTokens of the server', 'authTokensOnly', hiddenServer],
  ),
  ...rows(
    'key that reads',
    'found',
    'tool',
    ['docs__search', true, 'access[0] of key key-that-reads', 'found'],
    [
      'docs__write',
      false,
      'access[0] of key key-that-reads opens only tools that say readOnlyHint: true',
      'not found',
    ],
  ),
  ...rows(
    'key of team',
    'team',
    'tool',
    ['docs__wipe', true, 'access[0] of key key-of-team', 'a shown name'],
    [
      'files__search',
      false,
      'no rule of key key-of-team opens this tool, by the names that team shows',
      'no pattern',
    ],
    ['owned__write', true, 'access[0] of key key-of-team', 'the server names the key'],
    ['owned__wipe', false, 'no rule of access of owned opens this tool', 'and does not open this'],
  ),
  ...rows('key of team', 'team', 'prompt', [
    'docs__greet',
    false,
    'no rule of key key-of-team opens this prompt, by the names that team shows',
    'an empty list',
  ]),
  ...rows(
    'key of team',
    'team',
    'resource',
    ['docs://a', true, 'access[0] of key key-of-team', 'a URI'],
    [
      'docs://b',
      false,
      'no rule of key key-of-team opens this resource, by the names that team shows',
      'no pattern',
    ],
  ),
  ...rows('key of team', 'docs', 'tool', [
    'wipe',
    false,
    'no rule of key key-of-team names docs',
    'only through the group',
    out,
  ]),
  ...rows('key of team', 'mcp', 'tool', [
    'docs__wipe',
    false,
    'no rule of key key-of-team names docs',
    'only through the group',
    hiddenServer,
  ]),
  ...rows(
    'key of two rules',
    'docs',
    'tool',
    ['search', true, 'access[0] of key key-of-two-rules', 'by one rule'],
    ['write', true, 'access[1] of key key-of-two-rules', 'by the other'],
    ['wipe', false, 'no rule of key key-of-two-rules opens this tool', 'by none'],
  ),
  ...rows(
    'key of two rules',
    'docs',
    'prompt',
    ['greet', true, 'access[1] of key key-of-two-rules', 'by the other'],
    ['review', false, 'no rule of key key-of-two-rules opens this prompt', 'by none'],
  ),
  ...rows(
    'ci',
    'owned',
    'tool',
    ['write', true, 'access[0] of key ci and access[2] of owned', 'the server names the key'],
    ['wipe', false, 'no rule of access of owned opens this tool', 'and does not open this'],
  ),
  ...rows(
    'key for svc',
    'owned',
    'tool',
    ['wipe', true, 'access[0] of key key-for-svc and access[3] of owned', 'the server names its user'],
    ['write', false, 'no rule of access of owned opens this tool', 'and does not open this'],
  ),
  ...rows('key of nothing', 'docs', 'tool', [
    'search',
    false,
    'no rule of key key-of-nothing names docs',
    'nothing named is nothing allowed',
    out,
  ]),
  ...rows('key of nothing', 'owned', 'tool', [
    'search',
    false,
    'no rule of key key-of-nothing names owned',
    'that the server names it is not enough',
    out,
  ]),
  ...rows('key of nothing', 'mcp', 'tool', [
    'docs__search',
    false,
    'no rule of key key-of-nothing names docs',
    'nothing named is nothing allowed',
    hiddenServer,
  ]),
  ...rows('key that has ended', 'docs', 'tool', [
    'search',
    false,
    'it counts no more: it has ended, or was taken back',
    'it opens nothing any more',
    unasked,
  ]),
  ...rows('key of an admin', 'docs', 'tool', [
    'search',
    false,
    'a key of the admin API opens no server',
    'a key of the admin API opens no server',
    unasked,
  ]),
]
