/** The admin side as a whole: the API, metrics and the page, at the address that the configuration names. */
import type { Socket } from "node:net"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { ByteSize, type Cause, Effect, Layer, type Scope } from "effect"
import { HttpIncomingMessage, HttpMiddleware, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiError } from "effect/http-api"
import type { AdminUnavailable } from "./admin-socket.ts"
import { AdminApi } from "./api/api.ts"
import { watchBusy } from "./busy.ts"
import { dashboardRoutes } from "./dashboard-files.ts"
import { docsRoute } from "./docs.ts"
import { MAX_BODY } from "./guard.ts"
import { adguardRoutes } from "./handlers/adguard.ts"
import { cacheHandlers } from "./handlers/cache.ts"
import { configHandlers } from "./handlers/config.ts"
import { queryHandlers } from "./handlers/queries.ts"
import { systemHandlers } from "./handlers/system.ts"
import { upstreamHandlers } from "./handlers/upstreams.ts"
import { wrongParameter } from "./parameters.ts"
import { type AdminSources, Sources } from "./sources.ts"
import { Views } from "./views.ts"
import { guard, speaking } from "./web-server.ts"

const routes = Layer.mergeAll(
  HttpApiBuilder.layer(AdminApi, { openapiPath: "/openapi.json" }).pipe(
    Layer.provide([systemHandlers, configHandlers, upstreamHandlers, cacheHandlers, queryHandlers])
  ),
  docsRoute,
  adguardRoutes,
  dashboardRoutes
)

/** What is wrong with the request, where that is why a route does not answer it. */
const misreadOf = (cause: Cause.Cause<unknown>): HttpApiError.HttpApiSchemaError | undefined =>
  cause.reasons.flatMap((reason) =>
    reason._tag === "Die" && HttpApiError.HttpApiSchemaError.is(reason.defect) && PARTS.has(reason.defect.kind)
      ? [reason.defect]
      : []
  )[0]

/** Of a request; the others are of a response. */
const PARTS: ReadonlyMap<string, string> = new Map([
  ["Params", "the path"],
  ["Query", "what stands behind the ?"],
  ["Headers", "the headers"],
  ["Payload", "the body"]
])

/** A path has one spelling: what is checked for one (`parameters.ts`) is what is done. */
const exactly = { caseSensitive: true, ignoreDuplicateSlashes: false, ignoreTrailingSlash: false }

/** What a request that no route is for gets, one that cannot be read, and one that a route could not answer. */
const application = Effect.fnUntraced(function* () {
  const app = yield* Effect.provideService(HttpRouter.toHttpEffect(routes), HttpRouter.RouterConfig, exactly)
  const checked = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
    const message = wrongParameter(method, url)
    return message === undefined
      ? app
      : Effect.succeed(HttpServerResponse.jsonUnsafe({ _tag: "NotUnderstood", message }, { status: 400 }))
  })
  return checked.pipe(
    Effect.catchCause((cause) =>
      Effect.gen(function* () {
        const isUnknown = cause.reasons.some(
          (reason) => reason._tag === "Fail" && "reason" in reason.error && reason.error.reason._tag === "RouteNotFound"
        )
        if (isUnknown) return HttpServerResponse.jsonUnsafe({ message: "there is nothing here" }, { status: 404 })
        const misread = misreadOf(cause)
        if (misread !== undefined) {
          const message = `${PARTS.get(misread.kind)}: ${misread.cause.message}`.replace(/\s+/g, " ")
          return HttpServerResponse.jsonUnsafe({ _tag: "NotUnderstood", message }, { status: 400 })
        }
        yield* Effect.logError("a request of the admin side failed", cause)
        return HttpServerResponse.jsonUnsafe({ message: "internal error" }, { status: 500 })
      })
    ),
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(MAX_BODY)),
    Effect.provideService(HttpMiddleware.TracerDisabledWhen, () => true)
  )
})

/** Takes connections to where the admin side listens. */
export type Accept = (socket: Socket) => void

/** What answers on connections, as long as the scope lives: its certificate may change meanwhile. */
export const makeAdmin = (sources: AdminSources): Effect.Effect<Accept, AdminUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const { configuration } = sources
    const scope = yield* Effect.scope
    // Its views look at what happens for as long as this scope lives.
    const services = yield* Layer.build(
      Layer.merge(Layer.provideMerge(Views.layer, Layer.succeed(Sources, sources)), NodeHttpServer.layerHttpServices)
    )
    const makeHandler = Effect.flatMap(application(), (app) => NodeHttpServer.makeHandler(app, { scope }))
    const handler = yield* Effect.provideContext(makeHandler, services)
    const guarded = guard(configuration.current, yield* watchBusy, handler)
    const speaker = yield* configuration.derive(
      ["adminTlsCertificateFile", "adminTlsKeyFile"],
      ({ adminTlsCertificateFile: certificate, adminTlsKeyFile: key }) => speaking({ certificate, key }, guarded)
    )
    const accept: Accept = (socket) => {
      speaker.current.emit("connection", socket)
    }
    return accept
  })
