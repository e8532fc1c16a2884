/** The queries as they come, or those that were notable: filtered, summed up, and each with its waterfall. */
import { useMemo, useState } from "preact/hooks"
import { formatCount, formatNumberOf } from "../format.ts"
import { html } from "../html.ts"
import { usePolled } from "../live.ts"
import { Choices, Mistake } from "../parts/pieces.ts"
import { useQueryLog } from "../query-log.ts"
import { replaceParameters, route } from "../route.ts"
import type { QueryShape } from "../shapes.ts"
import { useStore } from "../store.ts"
import { FilterForm, filtersOf, type Given } from "./filter-form.ts"
import { QueryDialog } from "./query-dialog.ts"
import { QueryRow } from "./query-row.ts"
import { SummaryOf } from "./summary-of.ts"

/** Rows that are shown while they move, a screen of them, and when they are held. */
const ROWS_LIVE = 40
const ROWS_HELD = 500
const NOTABLE_MS = 3_000
export const Queries = () => {
  const { parameters } = useStore(route)
  const filters = filtersOf(parameters)
  const isNotable = parameters["show"] === "notable"
  const change = (changes: Readonly<Record<string, string | undefined>>): void =>
    replaceParameters("queries", { ...route.get().parameters, ...changes })
  const open = (id: string): void => change({ id })
  return html`
    <section class="panel filters" aria-label="Filters">
      <${FilterForm} filters=${filters} onFilters=${(given: Given) => {
        // What was typed holds a moment later: the rest is as it is by then.
        const { id, show, sort } = route.get().parameters
        replaceParameters("queries", { ...given, id, show, sort })
      }} />
    </section>
    <${Choices}
      label="Which queries"
      chosen=${isNotable ? "notable" : "all"}
      onChoose=${(value: string) => change({ show: value === "notable" ? value : undefined })}
      choices=${[{ value: "all", label: "All, live" }, { value: "notable", label: "Notable" }]}
    />
    ${isNotable ? html`<${Notable} filters=${filters} onOpen=${open} />` : html`<${Live} filters=${filters} onOpen=${open} />`}
    ${
      parameters["id"] !== undefined &&
      html`<${QueryDialog} key=${parameters["id"]} id=${parameters["id"]} onClose=${() => change({ id: undefined })} />`
    }
  `
}

const Live = ({ filters, onOpen }: { readonly filters: Given; readonly onOpen: (id: string) => void }) => {
  const [isPaused, setPaused] = useState(false)
  const [isPointedAt, setPointedAt] = useState(false)
  const log = useQueryLog(filters, isPaused || isPointedAt)
  const isHeld = isPaused || isPointedAt
  const state = isPaused
    ? "Paused"
    : isPointedAt
      ? "Held while you point at it"
      : log.isFollowing
        ? "Live"
        : log.isLoaded
          ? "Not connected"
          : "Loading …"
  return html`
    <${Mistake} text=${log.mistake} />
    <${SummaryOf} queries=${log.queries} isFiltered=${Object.keys(filters).length > 0} />
    <section class="panel" aria-labelledby="log">
      <header>
        <h2 id="log">Queries</h2>
        <span class="muted grow log-state">
          <i class=${`swatch is-${log.isFollowing && !isHeld ? "hit" : "other"}`}></i> ${state}
          ${isHeld && log.waiting > 0 && `: ${log.waiting >= 1000 ? "1,000 or more" : formatCount(log.waiting)} new`}
          ${log.dropped > 0 && html` · <span title="There are more queries than the server sends to a page.">${formatNumberOf(log.dropped, "query", "queries")} not shown</span>`}
        </span>
        <${Order} />
        <button type="button" aria-pressed=${String(isPaused)} onClick=${() => setPaused(!isPaused)}>Pause</button>
      </header>
      <div onPointerEnter=${(event: PointerEvent) => setPointedAt(event.pointerType === "mouse")} onPointerLeave=${() => setPointedAt(false)}
        onFocusIn=${() => setPointedAt(true)} onFocusOut=${() => setPointedAt(false)}>
        <${QueryTable} queries=${log.queries} rows=${isPaused ? ROWS_HELD : ROWS_LIVE} onOpen=${onOpen} isLoaded=${log.isLoaded} />
      </div>
    </section>
  `
}

const Notable = ({ filters, onOpen }: { readonly filters: Given; readonly onOpen: (id: string) => void }) => {
  const { mistake, value } = usePolled<ReadonlyArray<QueryShape>>(
    "/api/v1/traces",
    { ...filters, limit: 500 },
    NOTABLE_MS
  )
  return html`
    <${Mistake} text=${mistake} />
    <${SummaryOf} queries=${value ?? []} isFiltered />
    <section class="panel" aria-labelledby="log">
      <header>
        <h2 id="log">Notable queries</h2>
        <span class="muted grow">failed, slow, stale or shed: kept longer than the others</span>
        <${Order} />
      </header>
      <${QueryTable} queries=${value ?? []} rows=${ROWS_HELD} onOpen=${onOpen} isLoaded=${value !== undefined} />
    </section>
  `
}

const Order = () => {
  const { parameters } = useStore(route)
  return html`<${Choices}
    label="Order"
    chosen=${parameters["sort"] ?? "newest"}
    onChoose=${(sort: string) => replaceParameters("queries", { ...route.get().parameters, sort: sort === "newest" ? undefined : sort })}
    choices=${[{ value: "newest", label: "Newest" }, { value: "slowest", label: "Slowest" }]}
  />`
}

const QueryTable = ({
  isLoaded,
  onOpen,
  queries,
  rows
}: {
  readonly queries: ReadonlyArray<QueryShape>
  readonly rows: number
  readonly onOpen: (id: string) => void
  readonly isLoaded: boolean
}) => {
  const { parameters } = useStore(route)
  const isBySlowest = parameters["sort"] === "slowest"
  const shown = useMemo(
    () => (isBySlowest ? [...queries].sort((a, b) => b.tookMs - a.tookMs) : queries).slice(0, rows),
    [queries, rows, isBySlowest]
  )
  if (shown.length === 0) return html`<p class="muted">${isLoaded ? "No query matches." : "Loading …"}</p>`
  return html`<table class="log">
      <thead>
        <tr>
          <th scope="col" class="time">Time</th>
          <th scope="col" class="name">Name</th>
          <th scope="col" class="type">Type</th>
          <th scope="col" class="client">Client</th>
          <th scope="col" class="result">Outcome</th>
          <th scope="col" class="rcode">Code</th>
          <th scope="col" class="number took">Took</th>
          <th scope="col" class="upstream">Upstream</th>
        </tr>
      </thead>
      <tbody>
        ${shown.map((query) => html`<${QueryRow} query=${query} onOpen=${onOpen} />`)}
      </tbody>
    </table>
    ${queries.length > shown.length && html`<p class="muted">${formatCount(shown.length)} of ${formatCount(queries.length)} that the page keeps are shown${rows < ROWS_HELD && ": pause for more"}.</p>`}`
}
