/** A cluster of real redis-servers, each with its share of the slots. */
import { Effect, type Scope } from "effect"
import { freePort } from "../machine/ports.ts"
import { untilSo } from "../machine/until.ts"
import { type RunningRedis, startRedis } from "./redis.ts"

const SLOTS = 16_384

export const startRedisCluster = (size: number): Effect.Effect<ReadonlyArray<RunningRedis>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const nodes: Array<{ readonly redis: RunningRedis; readonly bus: number }> = []
    for (let i = 0; i < size; i++) {
      const bus = yield* freePort
      const args = ["--cluster-enabled", "yes", "--cluster-port", String(bus), "--cluster-node-timeout", "2000"]
      nodes.push({ redis: yield* startRedis({ args }), bus })
    }
    for (const [i, { redis }] of nodes.entries()) {
      const from = Math.floor((i * SLOTS) / size)
      const to = Math.floor(((i + 1) * SLOTS) / size) - 1
      yield* redis.command("CLUSTER", "ADDSLOTSRANGE", String(from), String(to))
      for (const other of nodes.slice(0, i)) {
        yield* redis.command("CLUSTER", "MEET", "127.0.0.1", String(other.redis.port), String(other.bus))
      }
    }
    for (const { redis } of nodes) {
      const isWhole = Effect.map(redis.command("CLUSTER", "INFO"), (info) => {
        const state = String(info)
        return state.includes("cluster_state:ok") && state.includes(`cluster_size:${size}`)
      })
      yield* untilSo("the cluster is whole", isWhole)
    }
    return nodes.map(({ redis }) => redis)
  })
