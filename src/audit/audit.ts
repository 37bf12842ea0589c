/**
 * The audit: who called what, who changed what, who was refused, one line each (docs/AUDIT.md). The one door of this
 * room. While it is off nothing of it is loaded; a gateway goes on when its lines cannot be written.
 */
import { resolve } from 'node:path'
import type { Config } from '../config/schema.ts'
import { ConfigError } from '../errors.ts'
import type { Key } from '../registry/access/key-schema.ts'
import type { ServerDefinition } from '../registry/definition.ts'
import type { Log } from '../telemetry/log.ts'
import type { AuditTarget } from './audit-target.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { PolicySource } from './policy-revision.ts'

/** The setting that stands for the log in place of a file. */
const intoTheLog = '-'

/** What the audit takes of the log. */
export type AuditLog = Log & {
  /** Writes a whole line, whatever the level is. */
  line(text: string): void
}

/** A key as far as it decides something. */
export interface PolicyKey {
  readonly key: Key
  readonly known: { readonly hash: string; readonly previous: { readonly hash: string } | null }
}

function rulesOfKey({ key, known }: PolicyKey): unknown {
  const { id, name, user, role, access, rate, inFlight, expiresAtMs } = key
  return [id, name, user, role, access, rate, inFlight, expiresAtMs, known.hash, known.previous?.hash]
}

/** Of definitions that are approved, and not only held, somebody is named (approvals/records.ts). */
function approvedIn(records: ReadonlyMap<string, string>): string[] {
  return [...records].flatMap(([id, text]) => (text.includes(',"by":"') ? [id] : [])).sort()
}

/** What decides who may use what. */
export interface Policy {
  readonly directory: {
    readonly version: number
    list(): readonly { readonly definition: ServerDefinition }[]
  }
  readonly access: { readonly decider: { readonly version: number; readonly keysAsk: boolean } }
  /** Null without keys. */
  readonly identities: { readonly keys: { list(): readonly PolicyKey[] } | null }
  readonly store: { records(kind: 'approval'): ReadonlyMap<string, string> }
}

/** Opens it, as the settings say; `policy` is asked when the first line is written. Rejects with a ConfigError when its file cannot be opened. */
export async function openAudit(
  log: AuditLog,
  settings: { readonly config: Pick<Config, 'audit' | 'logging'> } & PolicySource['settings'],
  policy: () => Policy,
): Promise<Audit> {
  let known: Policy | null = null
  const current = (): Policy => {
    known ??= policy()
    return known
  }
  const audit = new Audit(log, {
    settings,
    definitions: () =>
      current()
        .directory.list()
        .map(({ definition }) => definition),
    others: () => ({
      keys: current().identities.keys?.list().map(rulesOfKey) ?? [],
      keysAsk: current().access.decider.keysAsk,
      approvals: approvedIn(current().store.records('approval')),
    }),
    version: () => current().directory.version + current().access.decider.version,
  })
  await audit.take(settings.config)
  return audit
}

export class Audit {
  /** Who writes the lines; null while there is no audit. */
  trail: AuditTrail | null = null
  readonly #log: AuditLog
  readonly #policy: PolicySource
  #target: AuditTarget | null = null
  #setting: string | null = null
  /** Of targets that are left. */
  #droppedBefore = 0

  /** `policy` is what the revision of the policy is made of. */
  constructor(log: AuditLog, policy: PolicySource) {
    this.#log = log
    this.#policy = policy
  }

  /** Goes on as these settings say. Rejects with a ConfigError, and changes nothing, when the file cannot be opened. */
  async take({ audit, logging }: Pick<Config, 'audit' | 'logging'>): Promise<void> {
    const { file } = audit
    const fault = file === null || logging.file === null ? null : sameFileFault(file, logging.file)
    if (fault !== null) throw new ConfigError(fault)
    if (file === this.#setting) return
    const [{ AuditTrail }, { AuditFile, LogLines }, { PolicyRevision }] = await Promise.all([
      import('./audit-trail.ts'),
      import('./audit-target.ts'),
      import('./policy-revision.ts'),
    ])
    const target =
      file === null ? null : file === intoTheLog ? new LogLines(this.#log) : new AuditFile(file, this.#log)
    this.trail?.stopped()
    const left = this.#target
    this.#setting = file
    this.#target = target
    this.trail = target && new AuditTrail(target, new PolicyRevision(this.#policy))
    await left?.close(closeMs)
    this.#droppedBefore += left?.linesDropped ?? 0
  }

  /** Opens the file again, which may have been moved away. */
  reopen(): void {
    this.#target?.reopen()
  }

  /** Time's passing: whether the file was moved away, and whom to tell of together. */
  sweep(nowMs: number): void {
    this.#target?.sweep(nowMs)
    this.trail?.sweep(nowMs)
  }

  /** Lines that could not be written. */
  get linesDropped(): number {
    return this.#droppedBefore + (this.#target?.linesDropped ?? 0)
  }

  /** For good: writes what is left; gives up after `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    this.trail?.stopped()
    this.trail = null
    await this.#target?.close(deadlineMs)
  }
}

/** Two writers of one file would tear each other's lines; null where they are two files. */
export function sameFileFault(file: string, logFile: string): string | null {
  return resolve(file) === resolve(logFile)
    ? 'audit.file is the file of the log; write audit.file: "-" to have both in one'
    : null
}

/** For the last lines of a file that is left for another one. */
const closeMs = 500
