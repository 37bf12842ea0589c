/** Pages for people in a browser: plain HTML that runs nothing and loads nothing. */
import { escaped } from '../../net/html.ts'
import { replyText } from '../reply.ts'

/** `body` is HTML. */
export function page(status: number, title: string, body: string, head = ''): Response {
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">${head}<title>${escaped(title)}</title><main><h1>${escaped(title)}</h1>${body}</main></html>`
  const response = replyText(status, html, 'text/html; charset=utf-8')
  // Where somebody came from is nobody's business, least of all what stands in the query.
  response.headers.set('referrer-policy', 'no-referrer')
  return response
}

/**
 * Goes on to another address. A page and not a redirect: a browser does not send the cookie of a session with a redirect
 * that began at another site, and forms are held to where they may be redirected.
 */
export function onwards(title: string, url: string): Response {
  const target = escaped(url)
  const link = `<p><a href="${target}">Go on</a></p>`
  return page(200, title, link, `<meta http-equiv="refresh" content="0;url=${target}">`)
}

/** A paragraph of text. */
export function paragraph(text: string): string {
  return `<p>${escaped(text)}</p>`
}
