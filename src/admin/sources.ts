/** What the admin side looks at, and what it may change. */
import { Context } from "effect"
import type { AnswerCache } from "../cache/answer-cache.ts"
import type { Configuration } from "../config/configuration.ts"
import type { ServerControl } from "../process/server-control.ts"
import type { SharedConfigurationState } from "../process/shared-configuration.ts"
import type { Supervisor } from "../process/supervisor.ts"
import type { Counters } from "../telemetry/counters.ts"
import type { Latencies } from "../telemetry/latencies.ts"

export interface AdminSources {
  readonly version: string
  /** Milliseconds since 1970. */
  readonly startedAtMs: number
  /** The file that the configuration was loaded from. */
  readonly file: string | undefined
  readonly supervisor: Supervisor["Service"]
  readonly control: ServerControl["Service"]
  readonly configuration: Configuration["Service"]
  readonly counters: Counters["Service"]
  readonly latencies: Latencies["Service"]
  readonly cache: AnswerCache["Service"]
  /** Changes that were refused. */
  readonly refusals: () => number
  /** How this server stands to others with which it shares its configuration. */
  readonly shared: () => SharedConfigurationState | undefined
  /** Ends the server. */
  readonly end: () => void
}

export class Sources extends Context.Service<Sources, AdminSources>()("strand/admin/Sources") {}

/** Rows of shared memory that threads have written: those of the workers, and the supervisor's own behind them are not. */
export const rowsOf = ({ supervisor }: Pick<AdminSources, "supervisor">): number =>
  supervisor.workers().reduce((most, { number }) => Math.max(most, number), 1)
