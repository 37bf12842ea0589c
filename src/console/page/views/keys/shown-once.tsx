/** The text of a key, which is in one answer and nowhere else. */
import type { MadeKeyAnswer } from '../../../../http/api/key-answers.ts'
import { Button } from '../../parts/button.tsx'
import { CodeBlock } from '../../parts/copy.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Note } from '../../parts/failure.tsx'

export function ShownOnce({ made, onClose }: { readonly made: MadeKeyAnswer; readonly onClose: () => void }) {
  return (
    <Dialog title={`The key ${made.key.name}`} onClose={onClose} stays>
      <div class="stack">
        <Note kind="warn">
          <strong>It is shown this once.</strong> Copy it now, to where its client keeps secrets.
        </Note>
        <CodeBlock text={made.text} what="the key" />
        <p class="hint">{made.message}</p>
        <div class="actions end">
          <Button kind="main" onClick={onClose}>
            I have copied it
          </Button>
        </div>
      </div>
    </Dialog>
  )
}
