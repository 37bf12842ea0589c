/** Small pictures of lines. They say nothing by themselves: a text stands beside each, or is its label. */
const paths = {
  servers: 'M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01',
  tools: 'M14.5 6.5a4 4 0 0 0-5.3 5.1L4 16.8 7.2 20l5.2-5.2a4 4 0 0 0 5.1-5.3l-2.6 2.6-2.5-.5-.5-2.5z',
  playground: 'M8 5v14l11-7z',
  calls: 'M3 12h4l3-8 4 16 3-8h4',
  groups: 'M12 3 3 8l9 5 9-5zM3 13l9 5 9-5',
  keys: 'M15 9a4 4 0 1 1-3.9 5L9 16v2H7v2H4v-3l6.1-6.1A4 4 0 0 1 15 9zM16 13h.01',
  approvals: 'M12 3 5 6v5c0 5 3 8 7 10 4-2 7-5 7-10V6zM9 12l2 2 4-4',
  logins: 'M10 4h9v16h-9M14 12H4M7 8l-4 4 4 4',
  connect: 'M9 15l6-6M8 11l-3 3a4 4 0 0 0 5 5l3-3M16 13l3-3a4 4 0 0 0-5-5l-3 3',
  replicas: 'M12 4v5M5 20v-5h14v5M12 9v6M9 4h6M3 20h4M17 20h4M10 20h4',
  config: 'M4 7h10M18 7h2M4 17h2M10 17h10M14 5v4M8 15v4',
  close: 'M6 6l12 12M18 6 6 18',
  menu: 'M4 7h16M4 12h16M4 17h16',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M4 12H2M22 12h-2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5',
  moon: 'M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z',
  screen: 'M4 5h16v11H4zM9 20h6M12 16v4',
  ok: 'M5 12.5l4.5 4.5L19 7.5',
  bad: 'M12 4 2.5 20h19zM12 10v4M12 17h.01',
  wait: 'M12 3a9 9 0 1 0 9 9',
  off: 'M12 4v8M7 7a7 7 0 1 0 10 0',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  plus: 'M12 5v14M5 12h14',
  back: 'M15 5l-7 7 7 7',
  out: 'M14 4H5v16h9M10 12h11M17 8l4 4-4 4',
} as const

export type GlyphName = keyof typeof paths

export function Glyph({ name }: { readonly name: GlyphName }) {
  return (
    <svg class="glyph" viewBox="0 0 24 24" width="18" height="18" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  )
}
