/**
 * What a server answers with, shown as what it is. All of it is a stranger's: texts are texts, pictures and sounds are
 * data in the page and never fetched, links are shown in full and lead out only when they are pressed.
 */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { recordOf } from '../../mcp/wire.ts'
import { Button } from '../../parts/button.tsx'
import { CodeBlock } from '../../parts/copy.tsx'
import { laidOut } from '../../schema-form/json-text.ts'

/** Longer texts are shown up to here, until somebody wants more: a browser lays them out in one go. */
const textCharsMax = 20_000
const itemsMax = 100

export function Contents({
  contents,
  of,
  onRead,
}: {
  readonly contents: readonly unknown[]
  /** What they are of, for those who listen: each part has a name of its own. */
  readonly of: string
  /** Reads a resource that is linked. */
  readonly onRead?: (uri: string) => void
}) {
  return (
    <div class="stack contents">
      {contents.slice(0, itemsMax).map((content, at) => (
        <Content
          key={at}
          content={recordOf(content)}
          name={`${at + 1} of ${of}`}
          {...(onRead === undefined ? {} : { onRead })}
        />
      ))}
      {contents.length > itemsMax ? (
        <p class="hint">{contents.length - itemsMax} more are not shown.</p>
      ) : null}
    </div>
  )
}

interface ContentProps {
  readonly content: Known
  readonly name: string
  readonly onRead?: (uri: string) => void
}

function Content({ content, name: place, onRead }: ContentProps) {
  const { type, text, data, mimeType, uri, name, resource } = content
  if (type === 'text' && typeof text === 'string') return <LongText text={text} what={`Text ${place}`} />
  if ((type === 'image' || type === 'audio') && typeof data === 'string')
    return (
      <Media kind={type} data={data} mimeType={typeof mimeType === 'string' ? mimeType : ''} name={place} />
    )
  if (type === 'resource_link' && typeof uri === 'string') {
    return (
      <div class="link-block">
        {typeof name === 'string' ? <strong>{name}</strong> : null}
        <Uri uri={uri} />
        {onRead === undefined ? null : <Button onClick={() => onRead(uri)}>Read this resource</Button>}
      </div>
    )
  }
  if (type === 'resource') return <ResourceContent resource={recordOf(resource)} name={place} />
  return <LongText text={laidOut(JSON.stringify(content))} what={`Content ${place}`} />
}

type Known = Readonly<Record<string, unknown>>

/** What a resource holds. */
export function ResourceContent({ resource, name }: { readonly resource: Known; readonly name: string }) {
  const { uri, text, blob, mimeType } = resource
  const type = typeof mimeType === 'string' ? mimeType : ''
  return (
    <div class="stack">
      {typeof uri === 'string' ? <Uri uri={uri} /> : null}
      {typeof text === 'string' ? (
        <LongText text={/\bjson\b/.test(type) ? laidOut(text) : text} what={`Text of the resource ${name}`} />
      ) : typeof blob === 'string' ? (
        <Media kind={type.startsWith('audio/') ? 'audio' : 'image'} data={blob} mimeType={type} name={name} />
      ) : (
        <p class="hint">It is empty.</p>
      )}
    </div>
  )
}

/** In full, so that nobody has to guess where it leads. */
export function Uri({ uri }: { readonly uri: string }) {
  if (!/^https?:\/\//i.test(uri) || !URL.canParse(uri)) return <code class="uri">{uri}</code>
  return (
    <a class="uri" href={uri} target="_blank" rel="noopener noreferrer external">
      {uri}
    </a>
  )
}

/** What is made only when somebody opens it: long texts cost a page much. */
export function Fold({
  summary,
  first = false,
  children,
}: {
  readonly summary: string
  /** Whether it is open to begin with. */
  readonly first?: boolean
  readonly children: () => ComponentChildren
}) {
  const [open, setOpen] = useState(first)
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{summary}</summary>
      {open ? children() : null}
    </details>
  )
}

export function LongText({ text, what }: { readonly text: string; readonly what: string }) {
  const [whole, setWhole] = useState(false)
  const shown = whole ? text : text.slice(0, textCharsMax)
  return (
    <>
      <CodeBlock text={shown} what={what} />
      {shown.length < text.length ? (
        <Button onClick={() => setWhole(true)}>Show all {text.length.toLocaleString('en')} characters</Button>
      ) : null}
    </>
  )
}

const base64 = /^[A-Za-z0-9+/_-]*={0,2}$/
/** A picture made of markup could hold more than a picture. */
const pictures = /^image\/(?:png|jpeg|gif|webp|avif|bmp|x-icon)$/i
const sounds = /^audio\/[\w.+-]+$/i

function Media({
  kind,
  data,
  mimeType,
  name,
}: {
  readonly kind: 'image' | 'audio'
  readonly data: string
  readonly mimeType: string
  readonly name: string
}) {
  const [broken, setBroken] = useState(false)
  const bytes = Math.floor((data.length * 3) / 4)
  const fits = (kind === 'image' ? pictures : sounds).test(mimeType) && base64.test(data.slice(0, 1024))
  const said = `${kind === 'image' ? 'An image' : 'Data'} of type ${mimeType === '' ? 'unknown' : mimeType}, ${sizeWords(bytes)}`
  const url = `data:${mimeType.toLowerCase()};base64,${data}`
  if (!fits || broken) {
    return (
      <div class="stack">
        <p>
          {said}. {broken ? 'The browser cannot show it.' : 'This page does not show it.'}
        </p>
        {/svg|xml|text|json/i.test(mimeType) ? (
          <LongText text={decoded(data)} what={`Data ${name} as text`} />
        ) : null}
      </div>
    )
  }
  return kind === 'image' ? (
    <figure class="picture">
      <img src={url} alt={said} onError={() => setBroken(true)} />
      <figcaption>{said}</figcaption>
    </figure>
  ) : (
    <figure class="picture">
      {/* biome-ignore lint/a11y/useMediaCaption: a sound of a tool has no captions */}
      <audio controls src={url} aria-label={said} onError={() => setBroken(true)} />
      <figcaption>{said}</figcaption>
    </figure>
  )
}

function decoded(data: string): string {
  try {
    const binary = atob(data.replaceAll('-', '+').replaceAll('_', '/'))
    return new TextDecoder().decode(Uint8Array.from(binary, (sign) => sign.charCodeAt(0)))
  } catch {
    return data
  }
}

export function sizeWords(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`
  const kibibytes = bytes / 1024
  return kibibytes < 1024 ? `${kibibytes.toFixed(1)} KiB` : `${(kibibytes / 1024).toFixed(1)} MiB`
}
