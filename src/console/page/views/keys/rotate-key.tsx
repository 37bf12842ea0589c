/** Gives a key a new text, while the old one counts for a while more. */
import { useState } from 'preact/hooks'
import type { MadeKeyAnswer } from '../../../../http/api/key-answers.ts'
import { call } from '../../api/api.ts'
import { Button } from '../../parts/button.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Failure } from '../../parts/failure.tsx'
import { SelectField } from '../../parts/field.tsx'
import { useDeed } from '../../parts/use-load.ts'
import { ShownOnce } from './shown-once.tsx'

interface RotateProps {
  readonly id: string
  readonly name: string
  readonly onClose: () => void
  readonly onDone: () => void
}

type Overlap = '0s' | '1h' | '24h' | '168h'

export function RotateKey({ id, name, onClose, onDone }: RotateProps) {
  const [overlap, setOverlap] = useState<Overlap>('24h')
  const { busy, failure, run } = useDeed()
  const [made, setMade] = useState<MadeKeyAnswer | null>(null)
  const rotate = async () => setMade(await call('rotateKey', { name: id, body: { overlap } }))
  const done = () => {
    onClose()
    onDone()
  }
  if (made !== null) return <ShownOnce made={made} onClose={done} />
  return (
    <Dialog title={`Rotate ${name}?`} onClose={onClose}>
      <div class="stack">
        <p>It gets a new text. What it opens stays the same, and what is open stays open.</p>
        <SelectField
          label="The old text counts"
          value={overlap}
          onChange={setOverlap}
          options={[
            { value: '0s', text: 'no longer' },
            { value: '1h', text: 'for an hour more' },
            { value: '24h', text: 'for a day more' },
            { value: '168h', text: 'for a week more' },
          ]}
        />
        {failure === null ? null : <Failure failure={failure} />}
        <div class="actions end">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="main" busy={busy} onClick={() => run(rotate)}>
            Rotate it
          </Button>
        </div>
      </div>
    </Dialog>
  )
}
