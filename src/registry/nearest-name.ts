/**
 * The known name that a mistyped one most likely means, for "did you mean" in error messages.
 *
 * Pure and bounded: names beyond 64 characters have no near neighbour, so that an attacker cannot
 * buy quadratic work with a long key.
 */
export function nearestName(unknown: string, known: readonly string[]): string | null {
  if (unknown.length > 64) return null
  const wanted = fold(unknown)
  let best: string | null = null
  // Beyond a third of the letters wrong, a suggestion confuses more than it helps.
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const name of known) {
    const distance = editDistance(wanted, fold(name))
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/** `health_check-Interval` and `healthCheckInterval` are the same word to a person. */
function fold(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}

/** Two neighbouring letters swapped count as one slip, as fingers make it. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      const swapped = row > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      current.push(
        Math.min(
          substitution,
          (previous[column] ?? 0) + 1,
          (current[column - 1] ?? 0) + 1,
          swapped ? (beforePrevious[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    beforePrevious = previous
    previous = current
  }
  return previous[b.length] ?? 0
}
