/**
 * `node bench/redis.ts`: what the shared tier costs, and what a Redis that fails does to queries. Takes four minutes.
 *
 * A server of one thread, an upstream on the same machine that answers at once, 2,000 questions a second for names that
 * nobody has asked for. Each case is run three times, in turn; medians count. Needs redis-server.
 */
import { readFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, type Scope } from "effect"
import { pacedLoad, quantileOf } from "../test/support/clients/paced-load.ts"
import { type RunningRedis, redisServer, startRedis } from "../test/support/external/redis.ts"
import { freePort } from "../test/support/machine/ports.ts"
import { startListening } from "../test/support/servers/process.ts"
import { upstreamProcess } from "../test/support/upstreams/upstream-process.ts"

const PER_SECOND = 2_000
const FOR_MS = 6_000
const ROUNDS = 3
const TICKS_PER_SECOND = 100

interface Scenario {
  readonly name: string
  /** What happens to Redis while it is asked. */
  readonly harm?: (redis: RunningRedis) => Effect.Effect<void>
  readonly hasRedis: boolean
  /** Whether another server has asked for the same names before. */
  readonly isWarm?: boolean
  readonly isDown?: boolean
}

const after = (ms: number, effect: Effect.Effect<void>): Effect.Effect<void> => Effect.andThen(Effect.sleep(ms), effect)

const scenarios: ReadonlyArray<Scenario> = [
  { name: "no Redis configured", hasRedis: false },
  { name: "Redis, nothing in it", hasRedis: true },
  { name: "Redis, all in it", hasRedis: true, isWarm: true },
  { name: "Redis down all the time", hasRedis: true, isDown: true },
  {
    name: "Redis killed, begun again 2 s later",
    hasRedis: true,
    harm: (redis) => Effect.andThen(after(1_500, redis.kill), after(2_000, redis.restart))
  },
  {
    name: "Redis stopped for 2 s",
    hasRedis: true,
    harm: (redis) => Effect.andThen(after(1_500, redis.signal("SIGSTOP")), after(2_000, redis.signal("SIGCONT")))
  },
  {
    name: "Redis stopped for 100 ms, again and again",
    hasRedis: true,
    harm: (redis) =>
      Effect.repeat(Effect.andThen(after(700, redis.signal("SIGSTOP")), after(100, redis.signal("SIGCONT"))), {
        times: 10
      }).pipe(Effect.asVoid)
  }
]

/** Milliseconds of processor time that a process has had. */
const processorMs = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND
}

const usedBytes = (redis: RunningRedis): Effect.Effect<number> =>
  Effect.map(redis.command("INFO", "memory"), (text) => Number(/used_memory:(\d+)/.exec(String(text))?.[1]))

interface Measured {
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly cpuMicros: number
  readonly lost: number
  readonly failed: number
  /** Octets of Redis's memory for each answer; 0 where that was not looked at. */
  readonly octets: number
}

let runs = 0

const measure = (scenario: Scenario): Effect.Effect<Measured, never, Scope.Scope> =>
  Effect.gen(function* () {
    const run = ++runs
    const redis = yield* startRedis({ isDown: scenario.isDown === true })
    const port = yield* freePort
    yield* upstreamProcess(port)
    const settings = {
      DNS_SERVER_UPSTREAMS: `127.0.0.1:${port}`,
      DNS_SERVER_WORKERS: "1",
      ...(scenario.hasRedis ? { DNS_SERVER_REDIS_URL: redis.url } : {})
    }
    const load = (at: number, forMs: number, prefix = "") =>
      pacedLoad(at, (number) => `${prefix}name${number}.run${run}.load.test`, PER_SECOND, forMs, 8_000)
    let octets = 0
    if (scenario.isWarm === true) {
      const before = yield* usedBytes(redis)
      yield* Effect.scoped(Effect.flatMap(startListening(settings), (other) => load(other.port, FOR_MS)))
      octets = ((yield* usedBytes(redis)) - before) / Number(yield* redis.command("DBSIZE"))
    }
    const server = yield* startListening(settings)
    yield* load(server.port, 1_500, "w")
    const beforeMs = processorMs(server.child.pid!)
    const harm = scenario.harm?.(redis) ?? Effect.void
    const [result] = yield* Effect.all([load(server.port, FOR_MS), harm], { concurrency: "unbounded" })
    return {
      p50: quantileOf(result, 0.5),
      p99: quantileOf(result, 0.99),
      p999: quantileOf(result, 0.999),
      cpuMicros: ((processorMs(server.child.pid!) - beforeMs) * 1000) / result.asked,
      lost: result.lost,
      failed: result.failed,
      octets
    }
  })

const medianOf = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

const program = Effect.gen(function* () {
  if (redisServer === undefined) return yield* Console.error("redis-server is not installed")
  const measured = scenarios.map((): Array<Measured> => [])
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, scenario] of scenarios.entries()) measured[i]!.push(yield* Effect.scoped(measure(scenario)))
  }
  yield* Console.log(`${"milliseconds".padEnd(44)}   p50   p99 p99.9 µs CPU  lost wrong`)
  for (const [i, { name }] of scenarios.entries()) {
    const rounds = measured[i]!
    const median = (value: (one: Measured) => number, digits: number): string =>
      medianOf(rounds.map(value)).toFixed(digits).padStart(6)
    const sum = (value: (one: Measured) => number): string =>
      String(rounds.reduce((all, one) => all + value(one), 0)).padStart(6)
    const times = median((one) => one.p50, 1) + median((one) => one.p99, 1) + median((one) => one.p999, 1)
    const counts = sum((one) => one.lost) + sum((one) => one.failed)
    yield* Console.log(`${name.padEnd(44)}${times} ${median((one) => one.cpuMicros, 0)}${counts}`)
    const octets = medianOf(rounds.map((one) => one.octets))
    if (octets > 0) yield* Console.log(`  ${octets.toFixed(0)} octets of Redis's memory for each answer`)
  }
})

NodeRuntime.runMain(program)
