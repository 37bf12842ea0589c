/** What a check of the doctor has found. */

export interface Finding {
  /** What was looked at: `configuration`, `server files`. */
  readonly check: string
  /** `note` is nothing to mend. */
  readonly result: 'ok' | 'note' | 'warning' | 'fault'
  readonly finding: string
  /** What to do about it; null where there is nothing to do. */
  readonly cure: string | null
}

export function ok(check: string, finding: string): Finding {
  return { check, result: 'ok', finding, cure: null }
}

export function note(check: string, finding: string): Finding {
  return { check, result: 'note', finding, cure: null }
}

export function warning(check: string, finding: string, cure: string | null = null): Finding {
  return { check, result: 'warning', finding, cure }
}

export function fault(check: string, finding: string, cure: string | null = null): Finding {
  return { check, result: 'fault', finding, cure }
}
