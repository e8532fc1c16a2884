/** The admin side, where the configuration wants one: loaded when it is wanted for the first time. */
import { Effect, Scope } from "effect"
import type { Settings } from "../config/schema/settings.ts"
import { formatEndpoint } from "../io/endpoint.ts"
import type { Accept } from "./admin.ts"
import { type AdminListening, type AdminUnavailable, listening } from "./admin-socket.ts"
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
    const live = yield* configuration.derive(["admin"], ({ admin }) =>
      Effect.gen(function* () {
        if (admin === "off") return undefined
        const mayFail = isFirst && isUsual
        isFirst = false
        const accept: Accept = yield* load
        const listen = listening(admin, accept)
        return yield* mayFail
          ? Effect.catch(listen, ({ message }) =>
              Effect.as(Effect.logWarning(`${message}; the server goes on without it`), undefined)
            )
          : listen
      })
    )
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const announce = (listening: AdminListening | undefined): Effect.Effect<void> =>
      listening === undefined ? Effect.void : Effect.logInfo(whereItIs(listening, configuration.current()))
    yield* announce(live.current)
    let inUse = live.current
    // What is not wanted any more ends with the change, and not with the last query that was under way then.
    yield* configuration.follow(["admin"], () => {
      if (inUse === live.current) return
      inUse?.stop()
      inUse = live.current
      runFork(announce(inUse))
    })
  })

/** Said once it is there for good: until a change is made, it may be taken back. */
const whereItIs = ({ endpoint }: AdminListening, { adminTlsCertificateFile }: Settings): string => {
  const scheme = adminTlsCertificateFile === undefined ? "http" : "https"
  return `the admin page, the API and metrics are at ${scheme}://${formatEndpoint(endpoint)}/`
}
