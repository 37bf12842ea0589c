/** Counters and gauges; every metric name, label and unit stands in one table here. */

/** What the relay reports. Implementations must be cheap: this is on the hot path. */
export interface Metrics {
  /** A JSON-RPC request was accepted for a server. */
  requestStarted(server: string): void
  /** It ended; `failed` when the gateway or the server answered with a JSON-RPC error. */
  requestEnded(server: string, durationMs: number, failed: boolean): void
}
