/** Every view: its place in the address, and where the navigation has it. A new one is a row here. */
import type { ComponentType } from 'preact'
import type { GlyphName } from '../parts/glyph.tsx'
import { Approvals } from './approvals/approvals.tsx'
import { Calls } from './calls/calls.tsx'
import { Connect } from './connect/connect.tsx'
import { Configuration } from './gateway/configuration.tsx'
import { Logins } from './gateway/logins.tsx'
import { Replicas } from './gateway/replicas.tsx'
import { AddGroup, EditGroup } from './groups/group-form.tsx'
import { GroupList } from './groups/group-list.tsx'
import { GroupPage } from './groups/group-page.tsx'
import { Explain } from './keys/explain.tsx'
import { KeyList } from './keys/key-list.tsx'
import { MakeKey } from './keys/make-key.tsx'
import { NotFound } from './not-found.tsx'
import { Playground } from './playground/playground.tsx'
import { AddServer, EditServer } from './server-form/server-form.tsx'
import { ServerList } from './servers/server-list.tsx'
import { ServerPage } from './servers/server-page.tsx'
import { Tools } from './tools/tools.tsx'

export { NotFound }

interface View {
  /** The first part of the address. */
  readonly path: string
  /** Where more parts follow. */
  readonly below?: '*'
  /** Goes on as it is when a deeper part of the address is another; others begin anew. */
  readonly keeps?: boolean
  readonly component: ComponentType
}

const views: readonly View[] = [
  { path: '', component: ServerList },
  { path: 'servers', component: ServerList },
  { path: 'servers', below: '*', component: ServerPage },
  { path: 'add-server', component: AddServer },
  { path: 'edit-server', below: '*', component: EditServer },
  { path: 'tools', component: Tools },
  { path: 'playground', keeps: true, component: Playground },
  { path: 'playground', below: '*', keeps: true, component: Playground },
  { path: 'calls', component: Calls },
  { path: 'groups', component: GroupList },
  { path: 'groups', below: '*', component: GroupPage },
  { path: 'add-group', component: AddGroup },
  { path: 'edit-group', below: '*', component: EditGroup },
  { path: 'keys', component: KeyList },
  { path: 'make-key', component: MakeKey },
  { path: 'explain', component: Explain },
  { path: 'approvals', component: Approvals },
  { path: 'approvals', below: '*', component: Approvals },
  { path: 'logins', component: Logins },
  { path: 'config', component: Configuration },
  { path: 'replicas', component: Replicas },
  { path: 'connect', keeps: true, component: Connect },
  { path: 'connect', below: '*', keeps: true, component: Connect },
]

interface NavigationRow {
  readonly path: string
  readonly title: string
  readonly glyph: GlyphName
  /** Views that are reached from this one, and belong to it. */
  readonly holds?: readonly string[]
  /** Begins another group of views. */
  readonly begins?: boolean
}

export const navigation: readonly NavigationRow[] = [
  { path: 'servers', title: 'Servers', glyph: 'servers', holds: ['', 'add-server', 'edit-server'] },
  { path: 'tools', title: 'Tools', glyph: 'tools' },
  { path: 'playground', title: 'Playground', glyph: 'playground' },
  { path: 'calls', title: 'Live calls', glyph: 'calls' },
  { path: 'groups', title: 'Groups', glyph: 'groups', holds: ['add-group', 'edit-group'] },
  { path: 'keys', title: 'Keys', glyph: 'keys', holds: ['make-key', 'explain'], begins: true },
  { path: 'approvals', title: 'Approvals', glyph: 'approvals' },
  { path: 'logins', title: 'Logins', glyph: 'logins' },
  { path: 'connect', title: 'Connect a client', glyph: 'connect', begins: true },
  { path: 'config', title: 'Configuration', glyph: 'config' },
  { path: 'replicas', title: 'Replicas', glyph: 'replicas' },
]

/** The view of a place, and what tells it from others; null for what is none. */
export function viewAt(
  parts: readonly string[],
): { readonly component: ComponentType; readonly key: string } | null {
  const [path = '', below] = parts
  const found = views.find((view) => view.path === path && (view.below === '*') === (below !== undefined))
  if (found === undefined) return null
  return { component: found.component, key: found.keeps === true ? path : parts.join('/') }
}
