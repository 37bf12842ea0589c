/** The log as the other rooms see it. `telemetry/pino.ts` writes it. */

/** Known fields only: objects are built from named values, never by spreading a request or a config. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

export interface Log {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}
