/** `strand trace`: the queries that are worth a look, and one query's way as a waterfall. */
import { Effect } from "effect"
import type { Query, Trace } from "../../admin/api/queries.ts"
import { milliseconds, timeOfDay } from "../text/amounts.ts"
import { print } from "../text/print.ts"
import { printable } from "../text/printable.ts"
import { type Style, style } from "../text/style.ts"
import { type Column, table } from "../text/table.ts"
import { openAdmin } from "./client.ts"
import type { AdminOptions } from "./place.ts"
import { waterfall } from "./waterfall.ts"

interface QueryFilters {
  readonly name: string | undefined
  readonly suffix: string | undefined
  readonly client: string | undefined
  readonly type: string | undefined
  readonly rcode: string | undefined
  readonly outcome: string | undefined
  readonly upstream: string | undefined
  readonly slower_than_ms: number | undefined
}

interface TraceOptions extends AdminOptions {
  readonly id: string | undefined
  readonly filters: QueryFilters
  /** The last queries, not only those that are kept because they were slow, stale, shed, or failed. */
  readonly isAll: boolean
  readonly limit: number | undefined
  readonly isJson: boolean
}

type One = typeof Query.Type

export const isGood = ({ rcode, error }: Pick<One, "rcode" | "error">): boolean =>
  error === null && (rcode === "NOERROR" || rcode === "NXDOMAIN")

const columns: ReadonlyArray<Column<One>> = [
  { title: "time", text: ({ atMs }) => timeOfDay(atMs) },
  { title: "id", text: ({ id }) => id },
  { title: "ms", text: ({ tookMs }) => milliseconds(tookMs), isNumber: true },
  { title: "name", text: ({ name }) => name, atMost: 48 },
  { title: "type", text: ({ type }) => type },
  { title: "outcome", text: ({ outcome }) => outcome },
  {
    title: "rcode",
    text: ({ rcode }) => rcode ?? "(none)",
    paint: (one, paint) => (isGood(one) ? (text) => text : paint.red)
  },
  { title: "client", text: ({ client, clientName }) => (clientName === null ? client : `${clientName} (${client})`) },
  { title: "upstream", text: ({ upstream }) => upstream ?? "", atMost: 40 }
]

export const trace = Effect.fnUntraced(function* (options: TraceOptions) {
  const admin = yield* openAdmin(options)
  const paint = yield* style
  const { id, filters, limit } = options
  if (id !== undefined) {
    const found = yield* admin.ask(({ queries }) => queries.trace({ params: { id } }))
    return yield* print(options.isJson, found, () => traceLines(found, paint))
  }
  const query = { ...filters, limit }
  const found = yield* admin.ask(({ queries }) =>
    options.isAll ? Effect.map(queries.list({ query }), (list) => list.queries) : queries.traces({ query })
  )
  yield* print(options.isJson, found, () =>
    found.length === 0
      ? [
          options.isAll
            ? "no such query"
            : "no such query among those that failed, were slow, stale or shed; --all has the others"
        ]
      : [...table(columns, found, paint), "", "strand trace ID draws one"]
  )
})

const traceLines = ({ query, steps }: typeof Trace.Type, paint: Style): ReadonlyArray<string> => {
  const { name, type, client, protocol, outcome, rcode, tookMs, worker } = query
  const extras = [
    query.upstream === null ? "" : `upstream ${query.upstream}`,
    query.attempts === 0 ? "" : `attempts ${query.attempts}`,
    query.isCoalesced ? "shared another query's exchange" : "",
    query.isShared ? "from the shared cache" : "",
    query.error ?? ""
  ].filter((text) => text !== "")
  return [
    `${paint.bold(printable(`${name} ${type}`))}  ${(isGood(query) ? paint.green : paint.red)(printable(rcode ?? "no reply"))}  ` +
      `${milliseconds(tookMs)} ms  ${outcome}`,
    paint.dim(printable(`${timeOfDay(query.atMs)}, from ${client} by ${protocol}, worker ${worker}`)),
    ...(extras.length === 0 ? [] : [printable(extras.join(", "))]),
    "",
    ...waterfall(steps, Math.max(tookMs, 0), paint)
  ]
}
