/**
 * What an admin may use who speaks MCP through the admin API: every server, whatever its doors ask of clients, as
 * with `POST /admin/tools/call`. Filters and pins are the definition's and hold for admins as for everybody.
 */
import { type Decision, type Grants, nothingHides } from './reach.ts'

export class AdminGrants implements Grants {
  readonly endsAtMs = null
  readonly limits = null
  readonly passesDoors = true
  readonly #stillIn: () => boolean

  /** @param stillIn whether the admin would still be let in. */
  constructor(stillIn: () => boolean) {
    this.#stillIn = stillIn
  }

  get counts(): boolean {
    return this.#stillIn()
  }

  server(): Decision {
    return this.counts ? admin : noAdmin
  }

  hides(): boolean {
    return false
  }

  decide(): Decision {
    return nothingHides
  }

  scopesFor(): null {
    return null
  }
}

const admin: Decision = Object.freeze({ allowed: true, rule: 'an admin' })
const noAdmin: Decision = Object.freeze({ allowed: false, rule: 'an admin who is let in no more' })
