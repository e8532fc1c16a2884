import { assert, describe, it } from "@effect/vitest"
import type { Settings } from "../../../src/config/schema/settings.ts"
import { workerLimits } from "../../../src/process/worker/worker-limits.ts"
import { settingsOf } from "../../support/servers/settings.ts"

const limits = [
  "maxConcurrentQueries",
  "maxQueuedQueries",
  "actorPoolSize",
  "maxQueriesPerUpstream",
  "maxTcpConnections",
  "maxTcpConnectionsPerClient"
] as const

const whole: Settings = settingsOf({
  DNS_SERVER_MAX_CONCURRENT_QUERIES: "1000",
  DNS_SERVER_MAX_QUEUED_QUERIES: "0",
  DNS_SERVER_ACTOR_POOL_SIZE: "20",
  DNS_SERVER_MAX_TCP_CONNECTIONS: "7",
  DNS_SERVER_MAX_TCP_CONNECTIONS_PER_CLIENT: "1",
  DNS_SERVER_TRACE_SAMPLING: "rate:100"
})

describe("the limits of the whole server", () => {
  it("are one thread's where there is only one", () => {
    assert.deepStrictEqual(workerLimits(whole, 1), whole)
  })

  it("are shared out in equal parts, rounded up: all threads together never have less", () => {
    for (let workers = 1; workers <= 9; workers++) {
      const share = workerLimits(whole, workers)
      for (const limit of limits) {
        assert.isAtLeast(share[limit] * workers, whole[limit])
        assert.isBelow(share[limit] * workers, whole[limit] + workers)
      }
    }
  })

  it("leave each thread room for one, where there is room for any", () => {
    const share = workerLimits(whole, 256)
    assert.strictEqual(share.maxTcpConnectionsPerClient, 1)
    assert.strictEqual(share.maxTcpConnections, 1)
    assert.strictEqual(share.maxQueuedQueries, 0)
  })

  it("include the traces a second; a ratio is each thread's own", () => {
    assert.deepStrictEqual(workerLimits(whole, 3).traceSampling, { kind: "rate", perSecond: 34 })
    const ratio = settingsOf({ DNS_SERVER_TRACE_SAMPLING: "ratio:0.5" })
    assert.deepStrictEqual(workerLimits(ratio, 3).traceSampling, ratio.traceSampling)
  })

  it("leave all else as it is", () => {
    const share = workerLimits(whole, 4)
    const others = Object.keys(whole).filter((name) => ![...limits, "traceSampling"].includes(name))
    for (const name of others as ReadonlyArray<keyof Settings>) assert.deepStrictEqual(share[name], whole[name])
  })
})
