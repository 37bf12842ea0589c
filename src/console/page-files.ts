/**
 * The files of the page. From the sources they are made when somebody opens the console; in the executable another
 * module stands in the place of this one, which has them ready (scripts/build.ts).
 */
import { makePage, type PageFile } from './make-page.ts'

export async function pageFiles(): Promise<readonly PageFile[]> {
  return (await makePage()).files
}
