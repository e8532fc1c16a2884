/** The shared tier that the configuration asks for, if it asks for one. */
import { Effect, Layer, Option } from "effect"
import { Configuration } from "../../config/configuration.ts"
import type { Counters } from "../../telemetry/counters.ts"
import type { AnswerCache } from "../answer-cache.ts"
import type { FailureCache } from "../failure-cache.ts"
import { SharedTier } from "./shared-tier.ts"

export const layerSharedTier: Layer.Layer<SharedTier, never, Configuration | Counters | AnswerCache | FailureCache> =
  Layer.effect(
    SharedTier,
    Effect.flatMap(Configuration, ({ derive }) =>
      derive(["enableCaching", "redisUrl", "tlsCaFile"], ({ enableCaching, redisUrl, tlsCaFile }) =>
        Effect.gen(function* () {
          if (!enableCaching || redisUrl === undefined) return Option.none()
          // Its client takes a tenth of a second to load: only for those who want it.
          const { makeRedisTier } = yield* Effect.promise(() => import("./redis/redis-tier.ts"))
          return Option.some(yield* makeRedisTier(redisUrl, tlsCaFile?.certificates ?? []))
        })
      )
    )
  )
