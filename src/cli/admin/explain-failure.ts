/** What is said where the admin side did not do what was asked. */
import { Effect, Schema } from "effect"
import { HttpClientError } from "effect/http"
import {
  ChangeNotMade,
  NotNow,
  NotThere,
  NotUnderstood,
  StaleGeneration,
  WrongSettings
} from "../../admin/api/errors.ts"
import { messageOf } from "../../runtime/error-text.ts"
import { CommandFailed } from "../failure.ts"
import { printable } from "../text/printable.ts"
import type { AdminPlace } from "./place.ts"

/** What guards in front of the API answer with: 401, 403, 413, 429. */
const Refusal = Schema.Struct({ message: Schema.String })
const readRefusal = Schema.decodeUnknownEffect(Refusal)

export const explainFailure = (place: AdminPlace, error: unknown): Effect.Effect<CommandFailed> =>
  Effect.map(reasonOf(place, error), (message) => new CommandFailed({ message }))

const reasonOf = (place: AdminPlace, error: unknown): Effect.Effect<string> => {
  if (error instanceof WrongSettings) return Effect.succeed(mistakesOf(error))
  if (error instanceof StaleGeneration) {
    return Effect.succeed(
      `nothing was changed: the configuration has changed meanwhile, its generation is ${error.generation} now`
    )
  }
  if (error instanceof ChangeNotMade) return Effect.succeed(`nothing was changed: ${printable(error.message)}`)
  if (error instanceof NotThere || error instanceof NotUnderstood || error instanceof NotNow) {
    return Effect.succeed(printable(error.message))
  }
  if (error instanceof HttpClientError.HttpClientError) return ofHttp(place, error.reason)
  return Effect.succeed(`${place.url} answers what this version of strand does not understand: ${messageOf(error)}`)
}

const mistakesOf = ({ mistakes }: WrongSettings): string => {
  const lines = mistakes.map(({ path, value, expected }) =>
    printable(value === null ? `${path}: expected ${expected}` : `${path}: ${value}: expected ${expected}`)
  )
  const title = mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`
  return [`nothing was changed: ${title}`, ...lines.map((line) => `  ${line}`)].join("\n")
}

const ofHttp = ({ url, token }: AdminPlace, reason: HttpClientError.HttpClientErrorReason): Effect.Effect<string> => {
  switch (reason._tag) {
    case "StatusCodeError":
    case "DecodeError": {
      const { status } = reason.response
      const hint = status === 401 ? `; ${tokenHint(token)}` : ""
      return reason.response.json.pipe(
        Effect.flatMap(readRefusal),
        Effect.map(({ message }) => `${url} answers ${status}: ${printable(message)}${hint}`),
        Effect.orElseSucceed(() =>
          status >= 400
            ? `${url} answers ${status}${hint}`
            : `${url} answers what this version of strand does not understand: is it the admin side of a server?`
        )
      )
    }
    case "TransportError":
      return Effect.succeed(
        `${url} does not answer: ${messageOf(rootOf(reason.cause))}. Is the server running, and its admin side on? ` +
          "--admin says where else it is"
      )
    default:
      return Effect.succeed(reason.message)
  }
}

const tokenHint = (token: string | undefined): string =>
  token === undefined
    ? "--token, --token-file or DNS_SERVER_ADMIN_TOKEN gives the token"
    : "the token that was given is not the one that the server wants"

/** Where several addresses were tried, the first one's. */
const rootOf = (cause: unknown): unknown => (cause instanceof AggregateError ? cause.errors[0] : cause)
