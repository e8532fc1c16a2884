/** The last queries, the traces made of them, who asks most, and what would become of a question. */
import { Effect, Queue, Result, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { NetAddress } from "effect/net"
import { Type } from "../../dns/codes.ts"
import { parseName } from "../../dns/name.ts"
import { typeNumber } from "../../dns/record-types.ts"
import { CLIENT_NAME_EXPECTED, readClientName } from "../../io/client-name.ts"
import type { FoundQuery } from "../../telemetry/query-log/search.ts"
import { AdminApi } from "../api/api.ts"
import { NotNow, NotThere, NotUnderstood } from "../api/errors.ts"
import type { LogPage } from "../api/queries.ts"
import { explain } from "../explain.ts"
import { orNull } from "../or-null.ts"
import { REFUSAL_MS } from "../rate-limit.ts"
import { Sources } from "../sources.ts"
import { compileFilters, type Filters } from "../views/filter.ts"
import { type Matches, readId } from "../views/recent-view.ts"
import { Views } from "../views.ts"

const MAX_LIMIT = 10_000
const USUAL_LIMIT = 200
/** Of a search in the log. */
const LOG_LIMIT = 100
/** Streams at a time: each costs a look at every query that is shown. */
const MAX_STREAMS = 16
/** Events that wait for a reader; beyond that, queries are dropped and counted. */
const MAX_WAITING = 16
/** A comment is sent so often, for proxies that close what is silent. */
const STILL_THERE = "15 seconds"

const windows: Readonly<Record<string, number>> = { "1m": 1, "10m": 10, "1h": 60 }

const limitOf = (limit: number | undefined, usual = USUAL_LIMIT): number =>
  limit === undefined || Number.isNaN(limit) ? usual : Math.max(1, Math.min(MAX_LIMIT, Math.floor(limit)))

const timeOf = (name: string, text: string | undefined): Effect.Effect<number | undefined, NotUnderstood> =>
  Effect.suspend(() => {
    if (text === undefined) return Effect.undefined
    const ms = Date.parse(text)
    return Number.isNaN(ms)
      ? Effect.fail(new NotUnderstood({ message: `${name}: a time such as 2026-03-01T12:00:00Z` }))
      : Effect.succeed(ms)
  })

const shownFound = ({
  clientName,
  durationMs,
  error,
  id: _,
  port,
  rcode,
  replySize,
  upstream,
  ...same
}: FoundQuery): (typeof LogPage.Type)["queries"][number] => ({
  ...same,
  tookMs: durationMs,
  clientPort: port,
  clientName: orNull(clientName),
  rcode: orNull(rcode),
  octets: replySize,
  upstream: orNull(upstream),
  error: orNull(error)
})

const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`

export const queryHandlers = HttpApiBuilder.group(
  AdminApi,
  "queries",
  Effect.fnUntraced(function* (handlers) {
    const sources = yield* Sources
    const { activity, recent } = yield* Views

    const matchesOf = (filters: Filters): Effect.Effect<Matches, NotUnderstood> =>
      Effect.suspend(() => {
        const compiled = compileFilters(filters, recent.upstreamAt)
        return Result.isSuccess(compiled)
          ? Effect.succeed(compiled.success)
          : Effect.fail(new NotUnderstood({ message: compiled.failure }))
      })

    /** Events of the queries that match, until nobody reads them any more. */
    const events = (matches: Matches): Stream.Stream<string> =>
      Stream.callback<string>(
        (queue) =>
          Effect.gen(function* () {
            let unsent = 0
            const offer = (text: string): boolean => Queue.offerUnsafe(queue, text)
            offer(event("hello", { generation: sources.control.generation() }))
            const stop = activity.watch({
              matches,
              onQueries: (found, dropped) => {
                unsent += dropped
                if (unsent > 0 && offer(event("dropped", { count: unsent }))) unsent = 0
                if (
                  found.length > 0 &&
                  !offer(
                    event(
                      "query",
                      found.map((one) => recent.shown(one))
                    )
                  )
                ) {
                  unsent += found.length
                }
              }
            })
            yield* Effect.addFinalizer(() => Effect.sync(stop))
            yield* Effect.forever(
              Effect.delay(
                Effect.sync(() => offer(": still there\n\n")),
                STILL_THERE
              )
            )
          }),
        { bufferSize: MAX_WAITING, strategy: "dropping" }
      )

    return handlers.handleAll({
      list: ({ query }) =>
        Effect.gen(function* () {
          const { found, examined } = yield* recent.latest(limitOf(query.limit), yield* matchesOf(query))
          return { queries: found.map((one) => recent.shown(one)), examined }
        }),
      stream: ({ query }) =>
        Effect.gen(function* () {
          const matches = yield* matchesOf(query)
          if (activity.watching >= MAX_STREAMS) {
            yield* Effect.sleep(REFUSAL_MS)
            return yield* new NotNow({ message: `there are ${MAX_STREAMS} streams already` })
          }
          return HttpServerResponse.stream(Stream.encodeText(events(matches)), {
            contentType: "text/event-stream",
            headers: { "cache-control": "no-store", "x-accel-buffering": "no" }
          })
        }),
      top: ({ query }) =>
        Effect.suspend(() => {
          const minutes = windows[query.window ?? "10m"]
          if (minutes === undefined) {
            return Effect.fail(new NotUnderstood({ message: `window: one of ${Object.keys(windows).join(", ")}` }))
          }
          const { seconds, total, entries } = activity.top.read(
            query.by,
            minutes,
            Math.min(300, limitOf(query.limit, 20))
          )
          return Effect.succeed({
            seconds,
            total: Math.round(total),
            entries: entries.map(({ key, count, error }) => ({
              key,
              count: Math.round(count),
              share: total === 0 ? 0 : count / total,
              error: Math.round(error)
            }))
          })
        }),
      traces: ({ query }) =>
        Effect.map(matchesOf(query), (matches) =>
          activity.latestNotable(limitOf(query.limit), matches).map((one) => recent.shown(one))
        ),
      search: ({ query }) =>
        Effect.gen(function* () {
          const { from, limit, slower_than_ms: slowerThan, to, ...same } = query
          const filter = {
            ...same,
            slowerThan,
            limit: limitOf(limit, LOG_LIMIT),
            from: yield* timeOf("from", from),
            to: yield* timeOf("to", to)
          }
          const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined))
          const { before, queries } = yield* Effect.mapError(
            sources.searchLog(given),
            ({ message }) => new NotNow({ message })
          )
          return { queries: queries.map(shownFound), before: before ?? null }
        }),
      trace: ({ params }) =>
        Effect.suspend(() => {
          const id = readId(params.id)
          const found =
            id === undefined
              ? undefined
              : (recent.find(id.worker, id.sequence) ?? activity.findNotable(id.worker, id.sequence))
          return found === undefined
            ? Effect.fail(new NotThere({ message: `the query ${params.id} is not remembered any more` }))
            : Effect.succeed(recent.traceOf(found))
        }),
      explain: ({ payload }) =>
        Effect.gen(function* () {
          const name = parseName(payload.name)
          const type = payload.type === undefined ? Type.A : typeNumber(payload.type)
          const client = payload.client ?? "127.0.0.1"
          if (name === undefined) return yield* new NotUnderstood({ message: "name: a name such as www.example.com" })
          if (type === undefined) return yield* new NotUnderstood({ message: "type: a type such as AAAA or TYPE65" })
          if (Result.isFailure(NetAddress.ipFromString(client))) {
            return yield* new NotUnderstood({ message: "client: an IP address" })
          }
          const clientName = payload.clientName === undefined ? undefined : readClientName(payload.clientName)
          if (payload.clientName !== undefined && clientName === undefined) {
            return yield* new NotUnderstood({ message: `clientName: ${CLIENT_NAME_EXPECTED}` })
          }
          return yield* Effect.mapError(
            explain(sources, { name, type, client, clientName, isToBeAsked: payload.ask === true }),
            ({ message }) => new NotNow({ message })
          )
        })
    })
  })
)
