/**
 * Under which name a group shows a tool or a prompt of a member, and whose a shown name is.
 *
 * Pure. A name depends on the definition of the group, the servers in it and the tool's own name, never on what
 * else a server lists: it is the same after a restart and for every client. Names are 1 to 64 of the signs
 * `[a-zA-Z0-9_-]`, which is what the large clients take. docs/GROUPS.md has the rules in words.
 */

/** What the names of a group depend on: one server in it. */
export interface NamedMember {
  readonly server: string
  /** What stands before its names, without the `__`; `own` is its server's name, an empty text is nothing. */
  readonly prefix: string | { readonly own: true }
  /** Names to show (before the prefix comes) by the member's own names. */
  readonly rename: Readonly<Record<string, string>>
}

/** A tool or a prompt of a member, under the member's own name. */
export interface OwnName {
  readonly server: string
  readonly name: string
}

/**
 * Whose a shown name is. `listed`: one of these servers may have it, and only what they list tells which, because
 * the name was shortened or they have no prefix of their own. No servers: nobody has it.
 */
export type NameOwner =
  | ({ readonly kind: 'known' } & OwnName)
  | { readonly kind: 'listed'; readonly servers: readonly string[] }

/** What every client takes as a name. */
export const clientName = /^[a-zA-Z0-9_-]{1,64}$/

const clientNameCharsMax = 64
const separator = '__'
const markDigits = 8
const strangeSign = /[^a-zA-Z0-9_-]/g
/** How a shortened name ends. */
const marked = new RegExp(`_[0-9a-f]{${markDigits}}$`)

interface Row {
  readonly server: string
  /** What its names begin with: a prefix and `__`, or nothing. */
  readonly head: string
  /** False where two servers have this head by accident: all names of this one then carry a mark. */
  readonly distinct: boolean
  readonly shownByOwn: ReadonlyMap<string, string>
  readonly ownByShown: ReadonlyMap<string, string>
}

/** The names of one group. Independent of the order of its members. */
export class GroupNames {
  readonly #byServer: ReadonlyMap<string, Row>
  readonly #byHead: ReadonlyMap<string, readonly Row[]>
  readonly #headCharsMax: number
  readonly #reserved: ReadonlySet<string>

  /** @param reserved names that the group shows as its own. */
  constructor(members: readonly NamedMember[], reserved: ReadonlySet<string> = new Set()) {
    const rows = rowsOf(members)
    this.#byServer = new Map(rows.map((row) => [row.server, row]))
    this.#byHead = Map.groupBy(rows, ({ head }) => head)
    this.#headCharsMax = Math.max(0, ...rows.map(({ head }) => head.length))
    this.#reserved = reserved
  }

  /** The name under which the group shows what `server` calls `name`. */
  shown(server: string, name: string): string {
    const row = this.#byServer.get(server)
    const wanted = row === undefined ? name : row.head + (row.shownByOwn.get(name) ?? name)
    return row !== undefined && this.#isClear(row, name, wanted) ? wanted : shortened(server, name, wanted)
  }

  /** Whose a name is, as far as the name itself tells. */
  owner(shown: string): NameOwner {
    const [row, ...others] = this.#rowsAt(shown)
    if (row !== undefined && others.length === 0) {
      const bare = shown.slice(row.head.length)
      const name = row.ownByShown.get(bare) ?? bare
      const read = (row.shownByOwn.get(name) ?? name) === bare
      if (read && !marked.test(shown) && this.#isClear(row, name, shown))
        return { kind: 'known', server: row.server, name }
    }
    return { kind: 'listed', servers: this.#candidates(shown) }
  }

  /** Whether a client that reads this name comes back to the member and to its own name. */
  #isClear(row: Row, name: string, wanted: string): boolean {
    if (!row.distinct || !clientName.test(wanted) || this.#reserved.has(wanted)) return false
    // What ends like a shortened name is shortened itself, so that none can pass for another. Without a prefix
    // only lists tell whose a name is, and there it may stay.
    if (row.head !== '' && marked.test(wanted)) return false
    const own = row.ownByShown.get(wanted.slice(row.head.length)) ?? name
    return own === name && this.#rowsAt(wanted).includes(row)
  }

  /** The members with the longest head that a name begins with. */
  #rowsAt(shown: string): readonly Row[] {
    let at = shown.lastIndexOf(separator, this.#headCharsMax - separator.length)
    for (; at > 0; at = shown.lastIndexOf(separator, at - 1)) {
      const rows = this.#byHead.get(shown.slice(0, at + separator.length))
      if (rows !== undefined) return rows
    }
    return this.#byHead.get('') ?? []
  }

  #candidates(shown: string): readonly string[] {
    if (!clientName.test(shown) || this.#reserved.has(shown)) return []
    if (!marked.test(shown)) return this.#rowsAt(shown).map(({ server }) => server)
    const stem = shown.slice(0, -markDigits - 1)
    const rows = [...this.#byServer.values()]
    return rows.filter(({ head }) => stem.startsWith(head.slice(0, stem.length))).map(({ server }) => server)
  }
}

/** What one member lists, in its order. */
export interface ListedNames {
  readonly server: string
  readonly names: readonly string[]
}

/** A shown name that two members, or two tools of one, would have. It is shown for none of them. */
export interface AmbiguousName {
  readonly name: string
  readonly owners: readonly OwnName[]
}

/** The names of what several members list together. */
export interface NameTable {
  /** Each shown name once, with whose it is, in the order of the lists. */
  readonly owners: ReadonlyMap<string, OwnName>
  readonly ambiguous: readonly AmbiguousName[]
}

/** Puts lists under their shown names. What would stand there twice is left out, and told. */
export function nameTable(names: GroupNames, lists: readonly ListedNames[]): NameTable {
  const owners = new Map<string, OwnName>()
  const clashes = new Map<string, OwnName[]>()
  for (const { server, names: own } of lists) {
    for (const name of new Set(own)) {
      const shown = names.shown(server, name)
      const other = owners.get(shown)
      if (other === undefined) owners.set(shown, { server, name })
      else clashes.set(shown, [...(clashes.get(shown) ?? [other]), { server, name }])
    }
  }
  for (const shown of clashes.keys()) owners.delete(shown)
  const ambiguous = [...clashes].map(([name, owners]) => ({ name, owners }))
  return { owners, ambiguous }
}

function rowsOf(members: readonly NamedMember[]): Row[] {
  const heads = members.map(({ server, prefix }) => {
    const given = typeof prefix === 'string'
    const text = given ? prefix : server.replace(strangeSign, '_')
    return { head: text === '' ? '' : text + separator, meant: given || text === server }
  })
  return members.map(({ server, rename }, index) => {
    const { head = '', meant = false } = heads[index] ?? {}
    const pairs = Object.entries(rename)
    return {
      server,
      head,
      // `my.files` becomes `my_files`, unless another member has that prefix.
      distinct: meant || heads.every((other, at) => at === index || other.head !== head),
      shownByOwn: new Map(pairs),
      ownByShown: new Map(pairs.map(([own, shown]) => [shown, own])),
    }
  })
}

/** A name that fits, and is nobody else's: its beginning, and a mark made of server and name. */
function shortened(server: string, name: string, wanted: string): string {
  // JSON writes half a surrogate pair as an escape; as UTF-8 all halves would be one sign.
  const hasher = new Bun.CryptoHasher('sha256').update(JSON.stringify([server, name]))
  const mark = hasher.digest('hex').slice(0, markDigits)
  const stem = wanted.slice(0, clientNameCharsMax - markDigits - 1).replace(strangeSign, '_')
  return `${stem}_${mark}`
}
