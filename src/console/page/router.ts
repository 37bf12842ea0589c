/** Where in the page somebody is: the part of the address behind `#`, so that a link, a bookmark and "back" work. */
import { createStore, useStore } from './store.ts'

export interface Route {
  /** Of `#/servers/files?tab=log`: `servers`, `files`. */
  readonly parts: readonly string[]
  readonly query: URLSearchParams
}

export const route = createStore<Route>(routeIn(location.hash))

addEventListener('hashchange', () => route.set(routeIn(location.hash)))

export function useRoute(): Route {
  return useStore(route)
}

/** The address of a place. */
export function hrefTo(...parts: readonly string[]): string {
  return `#/${parts.map(encodeURIComponent).join('/')}`
}

export function navigate(...parts: readonly string[]): void {
  location.hash = hrefTo(...parts)
}

/** Puts what somebody has chosen into the address without a step of its own for "back". */
export function keepInAddress(href: string): void {
  history.replaceState(null, '', href)
  route.set(routeIn(location.hash))
}

function routeIn(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  const parts = path.split('/').filter((part) => part !== '')
  return { parts: parts.map(decoded), query: new URLSearchParams(query) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
