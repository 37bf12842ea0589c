/** The headers that a definition adds to every request to its server. */
import { framingHeaders } from '../../../../net/header-policy.ts'

/** Credentials in the URL become a header, unless the definition says another one. */
export function definitionHeaders(
  headers: Readonly<Record<string, string>>,
  url: URL,
): Record<string, string> {
  const lowered = lowerCased(headers)
  if (url.username !== '' && lowered['authorization'] === undefined) {
    lowered['authorization'] = basicCredentials(url)
  }
  return lowered
}

/** Headers by their names in lower case, without those that frame the message. */
export function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  const lowered: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (!framingHeaders.has(lower)) lowered[lower] = value
  }
  return lowered
}

function basicCredentials({ username, password }: URL): string {
  const pair = `${percentDecoded(username)}:${percentDecoded(password)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
