/**
 * What a start would say of a state directory, found out without taking or making it: whoever looks may be another
 * user than the one that runs the gateway, and leaves nothing there that is theirs.
 */
import { existsSync, mkdtempSync, rmdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { reasonOf } from '../../errors.ts'
import { checkDefinitions, makeStateDirectory } from './definitions-file.ts'
import { checkLock } from './state-lock.ts'
import { isDiskFull, storageFull } from './store.ts'

/** The StateHeldError, or another Error of one clear sentence, that keeps a gateway from starting; null for none. */
export function stateFault(path: string): Error | null {
  const directory = resolve(path)
  try {
    // Where something is there, the words of the start: that makes nothing then.
    if (existsSync(directory)) makeStateDirectory(directory)
    probe(directory)
    if (existsSync(directory)) {
      checkLock(directory)
      checkDefinitions(directory)
    }
    return null
  } catch (thrown) {
    return thrown instanceof Error ? thrown : new Error(reasonOf(thrown))
  }
}

/** Whether something can be made there, or in the directory in which it would be made. */
function probe(directory: string): void {
  let place = directory
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place)
  try {
    rmdirSync(mkdtempSync(join(place, '.compozy-check-')))
  } catch (error) {
    if (isDiskFull(error)) throw new Error(storageFull(directory))
    // Without the name of the probe, which nobody has asked for.
    const [reason = ''] = reasonOf(error).split(',')
    const where = place === directory ? '' : ` in ${place}`
    throw new Error(
      `Cannot open ${directory}: ${reason}${where}. Set storage.path to a directory of your own.`,
    )
  }
}
