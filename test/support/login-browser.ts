/** A browser with cookies that opens pages of the gateway, as far as a login at a server needs one. */
import type { TokenIssuer } from './token-issuer.ts'

export class LoginBrowser {
  readonly #cookies = new Map<string, string>()
  readonly #base: string

  constructor(base: string) {
    this.#base = base
  }

  /** Opens an address of the gateway. `headers` are over those that a browser sends. */
  async open(
    url: string | URL,
    init: RequestInit = {},
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const answer = await fetch(url, {
      ...init,
      redirect: 'manual',
      headers: {
        cookie: [...this.#cookies].map((pair) => pair.join('=')).join('; '),
        'sec-fetch-site': 'none',
        ...headers,
      },
    })
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      this.#cookies.set(name, value)
    }
    return answer
  }

  /** Opens the page and presses its button; resolves with the address at the authorization server. */
  async begin(link: string): Promise<string> {
    const shown = await this.open(link)
    const text = await shown.text()
    if (!text.includes('<button>')) throw new Error(`no button (${shown.status}): ${text}`)
    const pressed = await this.open(link, { method: 'POST' }, { origin: this.#base })
    const page = await pressed.text()
    const target = /url=([^"]+)"/.exec(page)?.[1]
    if (target === undefined) throw new Error(`no way on (${pressed.status}): ${page}`)
    return target.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
  }

  /** The whole way: opens the link, logs in as somebody, comes back. */
  async logIn(link: string, issuer: TokenIssuer, subject: string): Promise<Response> {
    const authorization = await this.begin(link)
    return await this.comeBack(issuer.approve(authorization, subject))
  }

  /** Comes from another site. */
  comeBack(url: URL): Promise<Response> {
    return this.open(url, {}, { 'sec-fetch-site': 'cross-site' })
  }
}
