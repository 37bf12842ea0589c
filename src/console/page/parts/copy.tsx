/** A text to be taken along. */
import { useState } from 'preact/hooks'
import { announce } from './announce.tsx'
import { Button } from './button.tsx'
import { Glyph } from './glyph.tsx'

const saidMs = 2_000

/** Copies `text`; `what` says to those who listen what that is. */
export function CopyButton({
  text,
  what,
  kind = 'plain',
}: {
  readonly text: string
  readonly what: string
  readonly kind?: 'plain' | 'main' | 'quiet'
}) {
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(true)
      setTimeout(() => setCopied(false), saidMs)
    } catch {
      announce('The browser does not let this page copy. Select the text and copy it yourself.', true)
    }
  }
  return (
    <Button kind={kind} label={copied ? `Copied ${what}` : `Copy ${what}`} onClick={() => void copy()}>
      <Glyph name={copied ? 'ok' : 'copy'} />
      {copied ? 'Copied' : 'Copy'}
    </Button>
  )
}

/** A text of a program or for one, as it is, with a button that copies it. */
export function CodeBlock({
  text,
  what,
  copies = true,
}: {
  readonly text: string
  readonly what: string
  readonly copies?: boolean
}) {
  return (
    <div class="code-block">
      <pre tabIndex={0} role="region" aria-label={what}>
        <code>{text}</code>
      </pre>
      {copies ? <CopyButton text={text} what={what} /> : null}
    </div>
  )
}
