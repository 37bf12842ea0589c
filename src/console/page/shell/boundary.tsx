/** Keeps a fault of one view to that view: the way to the others stays. */
import { Component, type ComponentChildren } from 'preact'
import { Failure } from '../parts/failure.tsx'
import { Page } from '../parts/page.tsx'

interface BoundaryProps {
  readonly children: ComponentChildren
}

interface BoundaryState {
  readonly fault: string | null
}

export class Boundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { fault: null }

  static override getDerivedStateFromError(thrown: unknown): BoundaryState {
    return { fault: thrown instanceof Error ? thrown.message : String(thrown) }
  }

  override render({ children }: BoundaryProps, { fault }: BoundaryState) {
    if (fault === null) return children
    const details = `${fault}. Try again; if it stays, the command line shows the same, and the fault is worth a report.`
    return (
      <Page title="This view is broken">
        <Failure
          failure={{ title: 'It cannot be drawn', details }}
          again={() => this.setState({ fault: null })}
        />
      </Page>
    )
  }
}
