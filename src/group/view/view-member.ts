/** One server of a group that a caller may use. */
import type { ItemFacts, Reach } from '../../access/reach.ts'
import type { Server } from '../../upstream/server/server.ts'
import type { ListItem } from '../lists/member-list.ts'
import type { Member } from '../members.ts'

/** What has a name in a group. */
export type NamedKind = 'tool' | 'prompt'

const readOnly: ItemFacts = Object.freeze({ readOnly: true })
const notReadOnly: ItemFacts = Object.freeze({ readOnly: false })

/** What rules look at of a tool that says of itself whether it only reads. */
export function factsOf(readOnlyHint: boolean): ItemFacts {
  return readOnlyHint ? readOnly : notReadOnly
}

export class ViewMember {
  readonly member: Member
  readonly reach: Reach
  readonly #serverOf: (name: string) => Server | undefined

  constructor(member: Member, reach: Reach, serverOf: (name: string) => Server | undefined) {
    this.member = member
    this.reach = reach
    this.#serverOf = serverOf
  }

  get name(): string {
    return this.member.server
  }

  /** The server as it is registered now; undefined for one that the group names and nobody has registered. */
  get server(): Server | undefined {
    return this.#serverOf(this.member.server)
  }

  /** Whether callers see the same of both. */
  isLike(other: ViewMember): boolean {
    return other.member === this.member && other.reach === this.reach
  }

  /** Whether the caller is shown this tool or prompt of the server's. */
  shows(kind: NamedKind, { name, readOnlyHint }: Pick<ListItem, 'name' | 'readOnlyHint'>): boolean {
    if (kind === 'tool' && !this.member.allows(name)) return false
    return this.reach.allows(kind, name, factsOf(readOnlyHint))
  }

  /** True where something of this kind may be there that the caller is not shown. */
  hides(kind: NamedKind): boolean {
    return this.reach.hides(kind) || (kind === 'tool' && this.member.filters)
  }
}
