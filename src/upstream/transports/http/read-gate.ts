/** Holds readers back while nobody can take what they read. */
export class ReadGate {
  #opened: Promise<void> | null = null
  #open: () => void = () => {}

  /** Resolves at once unless the gate is shut. */
  get passed(): Promise<void> | null {
    return this.#opened
  }

  shut(): void {
    if (this.#opened !== null) return
    this.#opened = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#opened = null
    this.#open()
  }
}
