/**
 * The page of a user at `/me`: who that is, and forms for what servers take of each user. Plain forms and no script, so
 * that nothing on it can be made to run; what a form changes takes the token of the session and an Origin of the
 * gateway's own.
 */
import { randomBytes } from 'node:crypto'
import type { BrowserSession } from '../../../identity/sign-in/browser-sessions.ts'
import { escaped } from '../../../net/html.ts'
import { replyText } from '../../reply.ts'
import type { WantingServer } from './my-credentials.ts'

/** What the page shows. */
export interface MyPage {
  /** Where the gateway is for the browser, without a slash at the end. */
  readonly base: string
  /** Who is signed in; null for nobody. */
  readonly who: { readonly principal: string; readonly name: string | null } | null
  readonly browser: BrowserSession | null
  /** Whether there is an issuer to sign in at. */
  readonly issuer: boolean
  readonly servers: readonly WantingServer[]
  /** Why nothing can be stored for whoever is signed in; null where it can. */
  readonly note: string | null
}

/** A whole page. */
export function pageOf(page: MyPage): Response {
  const nonce = randomBytes(16).toString('base64')
  const body = page.who === null ? signInPart(page) : `${whoPart(page)}${serversPart(page)}`
  const text = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Your credentials</title><style nonce="${nonce}">${style}</style></head><body><main><h1>Your credentials</h1>${body}</main></body></html>`
  const response = replyText(200, text, 'text/html; charset=utf-8')
  response.headers.set(
    'content-security-policy',
    `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
  )
  response.headers.set('referrer-policy', 'no-referrer')
  return response
}

const style = `body{font:16px/1.5 system-ui,sans-serif;margin:0;color:#1b1f24;background:#fff}main{max-width:42rem;margin:0 auto;padding:1.5rem}h2{margin:2rem 0 .25rem;font-size:1.15rem}label{display:block;margin:.75rem 0 .25rem}input{font:inherit;width:100%;box-sizing:border-box;padding:.4rem .5rem;border:1px solid #6b7280;border-radius:4px;background:#fff;color:inherit}button{font:inherit;margin:.5rem .5rem 0 0;padding:.35rem .9rem;border:1px solid #1b1f24;border-radius:4px;background:#1b1f24;color:#fff;cursor:pointer}button.plain{background:#fff;color:#1b1f24}.note{border-left:4px solid #b45309;padding-left:.75rem}small{color:#4b5563}@media (prefers-color-scheme:dark){body,input,button.plain{background:#15181c;color:#e6e8eb}button{background:#e6e8eb;color:#15181c}small{color:#a8b0ba}}`

function signInPart({ base, issuer }: MyPage): string {
  const link = issuer ? `<p><a href="${escaped(base)}/me/sign-in?return=/me">Sign in</a></p>` : ''
  return `${link}<form method="post" action="${escaped(base)}/me/session"><label for="token">${issuer ? 'Or sign in' : 'Sign in'} with a key</label><input id="token" name="token" type="password" autocomplete="off" required><button>Sign in</button></form>`
}

function whoPart({ base, who, browser, note }: MyPage): string {
  const name = who?.name ?? null
  const noted = note === null ? '' : `<p class="note">${escaped(note)}</p>`
  const out =
    browser === null
      ? ''
      : `<form method="post" action="${escaped(base)}/me/forms">${csrfField(browser)}<button class="plain" name="action" value="sign-out">Sign out</button></form>`
  return `<p>Signed in as <strong>${escaped(name ?? who?.principal ?? '')}</strong>${name === null ? '' : ` <small>${escaped(who?.principal ?? '')}</small>`}</p>${out}${noted}`
}

function serversPart(page: MyPage): string {
  if (page.note !== null) return ''
  if (page.servers.length === 0)
    return '<p>No server that you may use takes a credential or a login of each user.</p>'
  return `<p>Each is used for you alone, and no page shows it again.</p>${page.servers.map((server) => serverPart(page, server)).join('')}`
}

function serverPart(page: MyPage, { server, description, credentials, login }: WantingServer): string {
  const about = description === '' ? '' : `<p>${escaped(description)}</p>`
  return `<section><h2>${escaped(server)}</h2>${about}${loginPart(page, server, login)}${credentials.map((one) => formOf(page, server, one)).join('')}</section>`
}

const loginWords = {
  logged_in: 'You are logged in there.',
  needs_login: 'You are not logged in there.',
  needs_consent: 'It asks for more than your login allows.',
} as const

function loginPart({ base, browser }: MyPage, server: string, login: WantingServer['login']): string {
  if (login === null) return ''
  const link = login.state === 'logged_in' ? '' : ` <a href="${escaped(login.url)}">Log in</a>`
  const out =
    login.state !== 'logged_in' || browser === null
      ? ''
      : `<form method="post" action="${escaped(base)}/me/forms">${csrfField(browser)}${hidden('server', server)}<button class="plain" name="action" value="log-out">Log out</button></form>`
  return `<p>${loginWords[login.state]}${link}</p>${out}`
}

function formOf(
  { base, browser }: MyPage,
  server: string,
  { name, updatedAt }: WantingServer['credentials'][number],
): string {
  const id = `${server} ${name}`.replace(/[^\w-]/g, '-')
  const state = updatedAt === null ? 'not set' : `set ${updatedAt.slice(0, 10)}`
  if (browser === null) return `<p>${escaped(name)} <small>(${state})</small></p>`
  const fields = `${csrfField(browser)}${hidden('server', server)}${hidden('name', name)}`
  const remove =
    updatedAt === null
      ? ''
      : '<button class="plain" name="action" value="remove" formnovalidate>Remove</button>'
  return `<form method="post" action="${escaped(base)}/me/forms">${fields}<label for="${id}">${escaped(name)} <small>(${state})</small></label><input id="${id}" name="value" type="password" autocomplete="off" required><button name="action" value="set">Save</button>${remove}</form>`
}

function csrfField({ csrf }: BrowserSession): string {
  return hidden('csrf', csrf)
}

function hidden(name: string, value: string): string {
  return `<input type="hidden" name="${name}" value="${escaped(value)}">`
}
