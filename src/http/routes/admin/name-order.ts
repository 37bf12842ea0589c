/**
 * Runs work on one name one at a time, in the order of arrival; different names do not wait.
 *
 * Two admins who change one server at once must not both start from the same old definition, and a
 * server that is still stopping must be gone before its name is used again.
 */
import { type RequestContext, requireAdmitted } from '../../context.ts'

export class NameOrder {
  /** One entry for each name with work under way. */
  readonly #tails = new Map<string, Promise<unknown>>()

  /** `asker` is the request that wants it: it must still be let in when its turn has come. */
  async run<T>(name: string, work: () => Promise<T>, asker: RequestContext | null = null): Promise<T> {
    const before = this.#tails.get(name) ?? Promise.resolve()
    const turn = async (): Promise<T> => {
      if (asker !== null) requireAdmitted(asker)
      return await work()
    }
    const mine = before.then(turn, turn)
    this.#tails.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.#tails.get(name) === mine) this.#tails.delete(name)
    }
  }
}
