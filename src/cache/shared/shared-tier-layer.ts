/** The shared tier that the configuration asks for, if it asks for one. */
import { Effect, Layer, Option } from "effect"
import { Configuration } from "../../config/configuration.ts"
import { Operations } from "../../runtime/operations.ts"
import type { Counters } from "../../telemetry/counters.ts"
import type { AnswerCache } from "../answer-cache.ts"
import type { FailureCache } from "../failure-cache.ts"
import { readFlush } from "./flush-log.ts"
import { SharedTier } from "./shared-tier.ts"

export const layerSharedTier: Layer.Layer<SharedTier, never, Configuration | Counters | AnswerCache | FailureCache> =
  Layer.effect(
    SharedTier,
    Effect.gen(function* () {
      const { derive } = yield* Configuration
      const operations = yield* Operations
      const tier = yield* derive(["enableCaching", "redisUrl", "tlsCaFile"], ({ enableCaching, redisUrl, tlsCaFile }) =>
        Effect.gen(function* () {
          if (!enableCaching || redisUrl === undefined) return Option.none()
          // Its client takes a tenth of a second to load: only for those who want it.
          const { makeRedisTier } = yield* Effect.promise(() => import("./redis/redis-tier.ts"))
          return Option.some(yield* makeRedisTier(redisUrl, tlsCaFile?.certificates ?? []))
        })
      )
      operations.flushShared = (text) =>
        Effect.suspend(() => {
          const flush = readFlush(text)
          if (flush === undefined || Option.isNone(tier.current)) return Effect.undefined
          return Effect.match(tier.current.value.flush(flush), {
            onSuccess: () => undefined,
            onFailure: ({ message }) => message
          })
        })
      return tier
    })
  )
