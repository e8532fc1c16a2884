/** What an admin side says of a server that does well. */

export const upstream = {
  id: "quad9",
  state: "closed",
  isDrained: false,
  groups: ["default"],
  latencyMs: 12.5,
  variationMs: 3,
  inFlight: 2,
  attempts: 12_345,
  retries: 4,
  hedges: 0,
  failures: { timeout: 7 },
  rcodes: { NOERROR: 12_000 },
  share: 0.75,
  p50Ms: 11.5,
  p99Ms: 140
}

const rates = {
  seconds: 10,
  queriesPerSecond: 1_234.5,
  hitRatio: 0.913,
  failedPerSecond: 0.2,
  shedPerSecond: 0,
  p50Ms: 0.08,
  p95Ms: 12,
  p99Ms: 85
}

export const status = {
  version: "0.1.0",
  node: "26.10.0",
  uptimeSeconds: 93_784,
  generation: 3,
  isReady: true,
  isDraining: false,
  sharedConfiguration: null,
  listening: ["udp://127.0.0.1:1053"],
  workers: [
    {
      number: 1,
      state: "running",
      replacements: 0,
      queriesWaiting: 5,
      permitsUsed: 5,
      queueLength: 1,
      resolvers: 20,
      tcpConnections: 0,
      heapBytes: 1_000_000,
      loopDelayMs: 0.5
    }
  ],
  memory: { residentBytes: 120 * 1024 * 1024, cacheBytes: 8 * 1024 * 1024, heapBytes: 20_000_000 },
  totals: { queries: 10 },
  rates: { last10Seconds: rates, lastMinute: rates, last10Minutes: { ...rates, hitRatio: null } }
}

/** The list of who asks most, with one in it. */
export const top = (key: string) => ({
  seconds: 60,
  total: 100,
  entries: [{ key, count: 4_321, share: 0.5, error: 0 }]
})
