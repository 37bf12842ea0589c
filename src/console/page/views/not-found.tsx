/** An address that names no view. */
import { Empty } from '../parts/failure.tsx'
import { Page } from '../parts/page.tsx'
import { hrefTo } from '../router.ts'

export function NotFound() {
  return (
    <Page title="There is nothing here">
      <Empty title="This address names no view of the console">
        <a class="button main" href={hrefTo('servers')}>
          Go to the servers
        </a>
      </Empty>
    </Page>
  )
}
