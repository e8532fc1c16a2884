/** What sends: the service, this start of it, the machine and the process. By OpenTelemetry's semantic conventions. */
import { hostname } from "node:os"
import * as EffectResource from "@effect/opentelemetry/Resource"
import type { InstrumentationScope } from "@opentelemetry/core"
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources"
import { Effect, Layer } from "effect"
import { version } from "../../runtime/version.ts"
import { ServerInstance } from "../server-instance.ts"

const SERVICE_NAME = "strand"

/** What makes spans, log lines and metrics. */
export const instrumentation: InstrumentationScope = { name: "strand", version }

/**
 * What `OTEL_RESOURCE_ATTRIBUTES` says comes first.
 *
 * @param serviceName what the environment says instead where it is undefined
 */
export const makeResource = (serviceName: string | undefined): Effect.Effect<Resource> =>
  Effect.gen(function* () {
    const { id } = yield* ServerInstance
    const { attributes } = yield* EffectResource.Resource
    return resourceFromAttributes({
      "service.name": SERVICE_NAME,
      "service.version": version,
      "service.instance.id": id,
      "host.name": hostname(),
      "process.pid": process.pid,
      ...attributes
    })
  }).pipe(
    Effect.provide(
      EffectResource.layerFromEnv(serviceName === undefined ? undefined : { "service.name": serviceName }).pipe(
        Layer.fresh
      )
    )
  )
