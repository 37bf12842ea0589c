/** The text of a key, which is in one answer and nowhere else; where it is made for a client, that client's text with it. */
import { useState } from 'preact/hooks'
import type { MadeKeyAnswer } from '../../../../http/api/key-answers.ts'
import { Button } from '../../parts/button.tsx'
import { CodeBlock } from '../../parts/copy.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Note } from '../../parts/failure.tsx'
import { Check } from '../../parts/field.tsx'
import { type Choices, ClientText, textFor } from '../connect/client-text.tsx'

interface ShownOnceProps {
  readonly made: MadeKeyAnswer
  /** Null where it is made for no client in particular. */
  readonly connecting?: Choices | null
  readonly onClose: () => void
}

export function ShownOnce({ made, connecting = null, onClose }: ShownOnceProps) {
  return (
    <Dialog title={`The key ${made.key.name}`} onClose={onClose} stays>
      <div class="stack">
        <Note kind="warn">
          <strong>It is shown this once.</strong> Copy it now, to where its client keeps secrets.
        </Note>
        <CodeBlock text={made.text} what="the key" />
        <p class="hint">{made.message}</p>
        {connecting === null ? null : <Finished text={made.text} choices={connecting} />}
        <div class="actions end">
          <Button kind="main" onClick={onClose}>
            I have copied it
          </Button>
        </div>
      </div>
    </Dialog>
  )
}

function Finished({ text, choices }: { readonly text: string; readonly choices: Choices }) {
  const [without, setWithout] = useState(false)
  const made = textFor(choices, without ? 'asked' : text)
  return (
    <>
      <h3>What {made.title} needs</h3>
      <Check label="Leave the key out of this text" checked={without} onChange={setWithout} />
      <ClientText made={made} />
    </>
  )
}
