/** The admin side, where the configuration wants one: loaded when it is wanted for the first time. */
import { Effect, Scope } from "effect"
import { formatEndpoint } from "../io/endpoint.ts"
import type { Accept } from "./admin.ts"
import { type AdminUnavailable, listening } from "./admin-socket.ts"
import type { AdminSources } from "./sources.ts"

/**
 * Listens where the configuration says, now and after each change of it. A change to an address at which nothing can
 * listen is refused.
 *
 * @param isUsual whether the address is the default, and nobody asked for it: then the server goes on where it is taken
 */
export const startAdmin = (
  sources: AdminSources,
  isUsual: boolean
): Effect.Effect<void, AdminUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const { configuration } = sources
    const scope = yield* Effect.scope
    const load = yield* Effect.cached(
      Effect.gen(function* () {
        const { makeAdmin } = yield* Effect.promise(() => import("./admin.ts"))
        return yield* makeAdmin(sources)
      }).pipe(Scope.provide(scope))
    )
    let isFirst = true
    yield* configuration.derive(["admin"], ({ admin }) =>
      Effect.gen(function* () {
        if (admin === "off") return
        const mayFail = isFirst && isUsual
        isFirst = false
        const accept: Accept = yield* load
        const listen = Effect.flatMap(listening(admin, accept), (bound) =>
          Effect.logInfo(`the admin page, the API and metrics are at http://${formatEndpoint(bound)}/`)
        )
        yield* mayFail
          ? Effect.catch(listen, ({ message }) => Effect.logWarning(`${message}; the server goes on without it`))
          : listen
      })
    )
  })
