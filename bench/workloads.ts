/** What is measured under load, as data. Figures that are no throughput are in `probes/`. */
import type { Endpoint, Era } from './load/mcp-request.ts'
import type { SubjectName, Upstream } from './subjects/subject.ts'

export interface Workload {
  readonly id: string
  readonly title: string
  readonly upstream: Upstream
  readonly face: Endpoint['face']
  readonly era: Era
  readonly connections: number
  /** JSON text of the tool's arguments. */
  readonly argumentsText: string
  readonly subjects: readonly SubjectName[]
  /** Replaces the usual duration. */
  readonly seconds?: number
}

const SMALL = '{"text":"hello"}'
const MEGABYTE = '{"size":1000000}'

const small = {
  upstream: 'stdio',
  face: 'stream',
  era: 'legacy',
  connections: 64,
  argumentsText: SMALL,
} as const
const everybody = ['bare relay', 'compozy', 'supergateway', 'mcp-proxy'] as const
const ceiling = ['bare relay', 'compozy'] as const
const straight = ['direct', 'bare relay', 'compozy'] as const

export const workloads: readonly Workload[] = [
  { ...small, id: 'stdio', title: 'small call, stdio, 64 connections', subjects: everybody },
  { ...small, id: 'stdio-1', title: 'small call, stdio, 1 connection', connections: 1, subjects: ceiling },
  {
    ...small,
    id: 'stdio-512',
    title: 'small call, stdio, 512 connections',
    connections: 512,
    subjects: ceiling,
  },
  {
    ...small,
    id: 'stdio-sse-face',
    title: 'small call, stdio, HTTP+SSE face',
    face: 'sse',
    subjects: everybody,
  },
  { ...small, id: 'stdio-modern', title: 'small call, stdio, 2026-07-28', era: 'modern', subjects: ceiling },
  { ...small, id: 'http', title: 'small call, HTTP upstream', upstream: 'http', subjects: straight },
  {
    ...small,
    id: 'http-1',
    title: 'small call, HTTP upstream, 1 connection',
    upstream: 'http',
    connections: 1,
    subjects: straight,
  },
  {
    ...small,
    id: 'http-modern',
    title: 'small call, HTTP upstream, 2026-07-28',
    upstream: 'http',
    era: 'modern',
    subjects: straight,
  },
  { ...small, id: 'sse', title: 'small call, HTTP+SSE upstream', upstream: 'sse', subjects: ['compozy'] },
  {
    ...small,
    id: 'bridge-new-old',
    title: '2026-07-28 client, legacy server (stdio)',
    upstream: 'stdio-legacy',
    era: 'modern',
    subjects: ['compozy'],
  },
  {
    ...small,
    id: 'bridge-old-new',
    title: 'legacy client, 2026-07-28 server (stdio)',
    upstream: 'stdio-modern',
    subjects: ['compozy'],
  },
  {
    ...small,
    id: 'megabyte-stdio',
    title: '1 MB result, stdio, 8 connections',
    connections: 8,
    argumentsText: MEGABYTE,
    subjects: everybody,
  },
  {
    ...small,
    id: 'megabyte-http',
    title: '1 MB result, HTTP upstream, 8 connections',
    upstream: 'http',
    connections: 8,
    argumentsText: MEGABYTE,
    subjects: straight,
  },
  {
    ...small,
    id: 'steady',
    title: 'small call, stdio, 30 s without a pause',
    seconds: 30,
    subjects: ['compozy'],
  },
]
