/** Servers that share a Redis, and what is in it. */
import { Effect, type Scope } from "effect"
import { RedisPatience } from "../../../src/cache/shared/redis/lookups.ts"
import type { CounterName } from "../../../src/telemetry/counters.ts"
import type { RunningRedis } from "../external/redis.ts"
import { until, untilSo } from "../machine/until.ts"
import { type RunningServer, startServer } from "./server.ts"

/** A machine may be slow: where a test is not about that, Redis gets long to answer. */
const LONG_MS = 5_000

export const awaitCount = (server: RunningServer, name: CounterName, count: number): Effect.Effect<void> =>
  until(`${name} is ${count}`, () => server.counters.read(name) >= count)

let probes = 0

/** Asks for new names until Redis is asked for them too. */
export const awaitTier = (server: RunningServer): Effect.Effect<void> =>
  Effect.gen(function* () {
    const before = server.counters.read("shared.misses")
    const ask = Effect.suspend(() => server.ask({ name: `probe${++probes}.example.test` }))
    yield* untilSo(
      "Redis is asked",
      Effect.map(ask, () => server.counters.read("shared.misses") > before)
    )
  })

/** Starts a server whose first question goes to Redis already. */
export const startSharing = (
  upstream: { readonly address: string },
  redis: RunningRedis,
  settings: Record<string, string> = {}
): Effect.Effect<RunningServer, never, Scope.Scope> =>
  startServer({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_REDIS_URL: redis.url, ...settings }).pipe(
    Effect.tap(awaitTier),
    Effect.provideService(RedisPatience, LONG_MS)
  )

/** Asks, and waits until the answer is in Redis. */
export const askAndShare = (server: RunningServer, name: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const before = server.counters.read("shared.writes") + server.counters.read("shared.dropped")
    yield* server.ask({ name })
    yield* until("it is written", () => {
      const { counters } = server
      return counters.read("shared.writes") + counters.read("shared.dropped") > before
    })
  })

/** The keys of all answers in Redis, and their values. */
export const entriesOf = (redis: RunningRedis): Effect.Effect<ReadonlyArray<readonly [key: Buffer, value: Buffer]>> =>
  Effect.gen(function* () {
    const keys = (yield* redis.command("KEYS", "strand:1:*")) as ReadonlyArray<Buffer>
    const entries: Array<readonly [Buffer, Buffer]> = []
    for (const key of keys) entries.push([key, (yield* redis.command("GET", key)) as Buffer])
    return entries
  })

/** Writes what `change` makes of each value whose key holds the name. */
export const rewrite = (redis: RunningRedis, name: string, change: (value: Buffer) => Buffer): Effect.Effect<void> =>
  Effect.gen(function* () {
    const label = name.split(".")[0]!
    for (const [key, value] of yield* entriesOf(redis)) {
      if (key.includes(label)) yield* redis.command("SET", key, change(value), "KEEPTTL")
    }
  })

/** The entry as it would be if it had been stored so long before. */
export const olderBy =
  (seconds: number) =>
  (value: Buffer): Buffer => {
    const older = Buffer.from(value)
    older.writeUInt32BE(older.readUInt32BE(4) - seconds, 4)
    return older
  }
