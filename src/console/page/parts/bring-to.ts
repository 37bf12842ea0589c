/** Brings whoever has done something to what came of it: the focus, and what stands there into view. */

/** Below the bar at the top, which covers what is scrolled under it. */
const barPx = 64
/** Further down there is too little room for what follows. */
const lowestShare = 0.45

export function bringTo(element: HTMLElement | null): void {
  if (element === null) return
  element.focus({ preventScroll: true })
  const { top } = element.getBoundingClientRect()
  if (top < barPx || top > innerHeight * lowestShare) element.scrollIntoView({ block: 'start' })
}
