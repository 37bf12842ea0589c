/**
 * Runs work on one name one at a time, in the order of arrival; different names do not wait.
 *
 * Two admins who change one server at once must not both start from the same old definition, and a
 * server that is still stopping must be gone before its name is used again.
 */
export class NameOrder {
  /** One entry for each name with work under way. */
  readonly #tails = new Map<string, Promise<unknown>>()

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(name) ?? Promise.resolve()
    const mine = before.then(work, work)
    this.#tails.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.#tails.get(name) === mine) this.#tails.delete(name)
    }
  }
}
