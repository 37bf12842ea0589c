/** What of this process is resident: pages of files, which the kernel can read again, and what is its own. */
import { readFileSync } from 'node:fs'

/** Of statm, whatever the hardware has: a larger one makes both figures smaller, in proportion. */
const pageBytes = 4096

/** Pages of files, such as the executable's; 0 where the kernel does not say. */
export function residentFileBytes(): number {
  return readStatm()?.fileBytes ?? 0
}

/** The heap and whatever else is in memory alone; where the kernel does not say, all that is resident. */
export function ownBytes(): number {
  const statm = readStatm()
  return statm === null ? process.memoryUsage.rss() : statm.residentBytes - statm.fileBytes
}

function readStatm(): { readonly residentBytes: number; readonly fileBytes: number } | null {
  try {
    const [, resident, file] = readFileSync('/proc/self/statm', 'utf8').split(' ')
    return { residentBytes: Number(resident) * pageBytes, fileBytes: Number(file) * pageBytes }
  } catch {
    return null
  }
}
