/** Worker limits: the limits of the whole server, shared out among its threads. */
import type { Settings } from "../../config/schema/settings.ts"

/** The settings of one of `workers` threads; together, rounded up, they keep to the server's settings. */
export const workerLimits = (settings: Settings, workers: number): Settings => {
  const share = (limit: number): number => Math.ceil(limit / workers)
  const { traceSampling } = settings
  return {
    ...settings,
    maxConcurrentQueries: share(settings.maxConcurrentQueries),
    maxQueuedQueries: share(settings.maxQueuedQueries),
    actorPoolSize: share(settings.actorPoolSize),
    maxQueriesPerUpstream: share(settings.maxQueriesPerUpstream),
    maxTcpConnections: share(settings.maxTcpConnections),
    maxTcpConnectionsPerClient: share(settings.maxTcpConnectionsPerClient),
    traceSampling:
      traceSampling.kind === "rate" ? { kind: "rate", perSecond: share(traceSampling.perSecond) } : traceSampling
  }
}
