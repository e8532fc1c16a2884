/** What the admin side looks at, and what it may change. */
import { Context } from "effect"
import type { Configuration } from "../config/configuration.ts"
import type { MetricSources } from "../process/metrics.ts"
import type { SharedConfigurationState } from "../process/shared-configuration.ts"
import type { QueryLog } from "../telemetry/query-log/query-log.ts"

export interface AdminSources extends MetricSources {
  /** The file that the configuration was loaded from. */
  readonly file: string | undefined
  readonly configuration: Configuration["Service"]
  /** Searches the store of the query log. */
  readonly searchLog: QueryLog["Service"]["search"]
  /** How this server stands to others with which it shares its configuration. */
  readonly shared: () => SharedConfigurationState | undefined
  /** Ends the server. */
  readonly end: () => void
}

export class Sources extends Context.Service<Sources, AdminSources>()("strand/admin/Sources") {}
