/**
 * The console as browsers get it: the shell, and the two files that it loads. The same for everybody; whatever belongs
 * to somebody comes from the admin API. Loaded with the first one who asks.
 */
import { gunzipSync } from 'node:zlib'
import { escaped } from '../net/html.ts'
import type { PageFile } from './make-page.ts'
import { pageFiles } from './page-files.ts'

export interface Console {
  /** The page; `prefix` is what stands before all paths of the gateway, such as `/tools`, or nothing. */
  shell(prefix: string): Response
  /** What a path below `/console/` names; null for what is no file of the page. */
  file(path: string, acceptEncoding: string): Response | null
}

/**
 * Nothing of another origin, nothing written into the page, nothing made of a text; framed by nobody. Images and sounds
 * that tools answer with are `data:` URLs. A form that is sent would leave the page, so none may be.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  'media-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

/** With each answer: no sniffing, no frame, no other window that knows this one, no page elsewhere that loads a file of it. */
const security = {
  'content-security-policy': contentSecurityPolicy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
}

/** Rejects when the page cannot be made from its sources. */
export async function openConsole(): Promise<Console> {
  const files = new Map((await pageFiles()).map((file) => [file.name, file] as const))
  const nameOf = (extension: string) =>
    [...files.keys()].find((name) => name.endsWith(`.${extension}`)) ?? `missing.${extension}`
  const [script, style] = [nameOf('js'), nameOf('css')]
  return {
    shell(prefix) {
      // Which files there are is another thing after an update, and a page that is kept would come back after a sign-out.
      const headers = { ...security, 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }
      return new Response(shellOf(escaped(prefix), script, style), { headers })
    },
    file(path, acceptEncoding) {
      const file = files.get(path.slice(path.lastIndexOf('/') + 1))
      return file === undefined ? null : replyFile(file, acceptEncoding)
    },
  }
}

function replyFile({ contentType, brotli, gzip }: PageFile, acceptEncoding: string): Response {
  const encoding = /\bbr\b/.test(acceptEncoding) ? 'br' : /\bgzip\b/.test(acceptEncoding) ? 'gzip' : null
  const body = encoding === 'br' ? brotli : encoding === 'gzip' ? gzip : gunzipSync(gzip)
  return new Response(body, {
    headers: {
      ...security,
      'content-type': contentType,
      // Its name holds its digest.
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'Accept-Encoding',
      ...(encoding === null ? {} : { 'content-encoding': encoding }),
    },
  })
}

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' fill='%234f46e5'/%3E%3Cg fill='none' stroke='%23fff' stroke-width='2.6' stroke-linecap='round'%3E%3Cpath d='M8 16h6M18 10h6M18 22h6M14 16l4-6M14 16l4 6'/%3E%3C/g%3E%3C/svg%3E"

function shellOf(prefix: string, script: string, style: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="gateway-prefix" content="${prefix}">
<title>Console</title>
<link rel="icon" href="${icon}">
<link rel="stylesheet" href="${prefix}/console/${style}">
<script type="module" src="${prefix}/console/${script}"></script>
</head>
<body>
<div id="app"></div>
<noscript>The console needs JavaScript. The command "compozy servers list" shows the same servers.</noscript>
</body>
</html>
`
}
