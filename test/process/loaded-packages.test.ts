/**
 * Each thread that starts loads its own modules: what nobody asked for would be paid for with every start, and every
 * worker.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { fileWith } from "../support/machine/files.ts"
import { startListening } from "../support/servers/process.ts"
import { ask, rcodeOf } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

const saying = { NODE_OPTIONS: `--import ${new URL("../support/machine/loaded-modules.ts", import.meta.url)}` }

/** The packages that a server of two workers with these settings has loaded once it answers, in any of its threads. */
const loadedWith = (settings: Record<string, string>) =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream(address("192.0.2.1"))
    const server = yield* startListening({
      DNS_SERVER_UPSTREAMS: upstream.address,
      DNS_SERVER_WORKERS: "2",
      ...saying,
      ...settings
    })
    assert.strictEqual(rcodeOf(yield* ask(server.port, { name: "www.example.test" })), "NOERROR")
    // Node warns of what is experimental.
    assert.notMatch(server.output(), /Warning/)
    const said = [...server.output().matchAll(/thread (\d+) loads (\S+)/g)]
    assert.isAtLeast(new Set(said.map(([, thread]) => thread)).size, 3)
    return new Set(said.map(([, , name]) => name!))
  })

const REDIS = ["@redis/client"]
const OPENTELEMETRY = ["@effect/opentelemetry", "@opentelemetry/otlp-exporter-base", "@opentelemetry/otlp-transformer"]

describe("the server loads", () => {
  it.live("no client of Redis and nothing of OpenTelemetry where neither is configured", () =>
    Effect.gen(function* () {
      const loaded = yield* loadedWith({})
      assert.include([...loaded], "effect")
      for (const name of [...REDIS, ...OPENTELEMETRY, "undici", "ws", "yaml"]) assert.notInclude([...loaded], name)
    })
  )

  it.live("nothing of the query log where it is off, and no SQLite where it has no store", () =>
    Effect.gen(function* () {
      const parts = ["log-thread", "store-output", "searcher"].map((name) => `src/telemetry/query-log/${name}.ts`)
      const [thread, ...store] = parts
      const off = yield* loadedWith({})
      for (const part of parts) assert.notInclude([...off], part)
      const file = yield* fileWith("")
      const on = yield* loadedWith({ DNS_SERVER_QUERY_LOG_FILE: file })
      assert.include([...on], thread)
      for (const part of store) assert.notInclude([...on], part)
    })
  )

  it.live("both where both are", () =>
    Effect.gen(function* () {
      const loaded = yield* loadedWith({
        DNS_SERVER_REDIS_URL: "redis://127.0.0.1:1",
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1"
      })
      assert.includeMembers([...loaded], [...REDIS, ...OPENTELEMETRY])
    })
  )
})
