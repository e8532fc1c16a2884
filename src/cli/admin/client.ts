/** The admin side of a running server, as commands ask it: what fails is said in words for people. */
import { Effect } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { AdminApi } from "../../admin/api/api.ts"
import type { CommandFailed } from "../failure.ts"
import { explainFailure } from "./explain-failure.ts"
import { httpClient } from "./http.ts"
import { type AdminOptions, type AdminPlace, adminPlace } from "./place.ts"

const clientFor = ({ url, token, certificate }: AdminPlace) =>
  HttpApiClient.makeWith(AdminApi, {
    baseUrl: url,
    httpClient: HttpClient.mapRequest(httpClient({ certificate }), (request) =>
      token === undefined ? request : HttpClientRequest.bearerToken(request, token)
    )
  })

type AdminClient = Effect.Success<ReturnType<typeof clientFor>>

export interface Admin {
  readonly url: string
  /** Asks one thing, or several. */
  readonly ask: <A, E>(asking: (client: AdminClient) => Effect.Effect<A, E>) => Effect.Effect<A, CommandFailed>
}

/** Connects to nothing yet: the first question does. */
export const openAdmin = Effect.fnUntraced(function* (options: AdminOptions) {
  const place = yield* adminPlace(options)
  const client = yield* clientFor(place)
  return {
    url: place.url,
    ask: (asking) => Effect.catch(asking(client), (error) => Effect.flatMap(explainFailure(place, error), Effect.fail))
  } satisfies Admin as Admin
})
