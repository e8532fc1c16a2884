/** A page of the API, by Scalar, which Effect brings: its three megabytes are loaded when somebody looks. */
import { Effect } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApiScalar } from "effect/http-api"
import { AdminApi } from "./api/api.ts"

/** Its script is part of the page. */
const policy =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const page = HttpRouter.toHttpEffect(HttpApiScalar.layer(AdminApi, { path: "/docs" }))

export const docsRoute = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const cached = yield* Effect.cached(page)
    yield* router.add(
      "GET",
      "/docs",
      Effect.scoped(
        Effect.map(Effect.flatten(cached), (response) =>
          HttpServerResponse.setHeader(response, "content-security-policy", policy)
        )
      )
    )
  })
)
