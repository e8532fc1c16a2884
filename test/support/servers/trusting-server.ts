/** A server that believes an authority of the test's own. */
import { Effect, type Scope } from "effect"
import { fileWith } from "../machine/files.ts"
import type { Authority } from "../wire/certificates.ts"
import { type RunningServer, startServer } from "./server.ts"

/** In front of upstreams that are asked in their order. */
export const serverTrusting =
  (authority: Authority) =>
  (
    upstreams: ReadonlyArray<string>,
    settings: Record<string, string> = {}
  ): Effect.Effect<RunningServer, never, Scope.Scope> =>
    Effect.gen(function* () {
      const file = yield* fileWith(authority.cert)
      return yield* startServer({
        DNS_SERVER_UPSTREAMS: upstreams.join(","),
        DNS_SERVER_UPSTREAM_POLICY: "ordered",
        DNS_SERVER_TLS_CA_FILE: file,
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "400",
        ...settings
      })
    })
