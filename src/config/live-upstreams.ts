/**
 * The upstreams of queries that no rule is for, and the servers that find the upstreams' names: those of the
 * configuration, until the system's resolvers change and are what is asked.
 */
import { Context, Effect, Layer, Schema, type Scope } from "effect"
import { Configuration } from "./configuration.ts"
import { Settings } from "./schema/settings.ts"
import type { Written } from "./snapshot.ts"

export type AskedServers = Pick<Settings, "upstreams" | "bootstrap">

/** What makes use of a change; over when it is in use. */
export type Adopt = (next: AskedServers) => Effect.Effect<void>

export class LiveUpstreams extends Context.Service<
  LiveUpstreams,
  {
    readonly current: () => AskedServers
    /** Has `adopt` run at each change, as long as the scope lives. */
    readonly follow: (adopt: Adopt) => Effect.Effect<void, never, Scope.Scope>
    /** Makes a change; over when all who follow use it. */
    readonly adopt: Adopt
  }
>()("strand/config/LiveUpstreams") {
  static readonly layer: Layer.Layer<LiveUpstreams, never, Configuration> = Layer.effect(
    LiveUpstreams,
    Effect.gen(function* () {
      let current: AskedServers = yield* Configuration
      const followers = new Set<Adopt>()
      return LiveUpstreams.of({
        current: () => current,
        follow: (adopt) =>
          Effect.asVoid(
            Effect.acquireRelease(
              Effect.sync(() => followers.add(adopt)),
              () => Effect.sync(() => followers.delete(adopt))
            )
          ),
        adopt: (next) => {
          current = next
          return Effect.forEach(followers, (adopt) => adopt(next), { discard: true })
        }
      })
    })
  )
}

/** Those of settings as they were written. */
export const decodeAskedServers: (written: Pick<Written, "upstreams" | "bootstrap">) => AskedServers =
  Schema.decodeUnknownSync(
    Schema.Struct({ upstreams: Settings.fields.upstreams, bootstrap: Settings.fields.bootstrap })
  )
