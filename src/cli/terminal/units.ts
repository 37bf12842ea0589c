/** Times and sizes as people read them. Pure. */

const ages = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const

/** The largest unit that fits: `3d`, `5h`, `12m`, `40s`. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const [unit, perUnit] = ages.find(([, least]) => seconds >= least) ?? ['s', 1]
  return `${Math.floor(seconds / perUnit)}${unit}`
}

/** `512 bytes`, `12.3 KiB`, `4.0 MiB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? '1 byte' : `${bytes} bytes`
  const [unit, perUnit] = bytes < 1024 ** 2 ? ['KiB', 1024] : ['MiB', 1024 ** 2]
  return `${(bytes / perUnit).toFixed(1)} ${unit}`
}

/** `1 session`, `3 sessions`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
