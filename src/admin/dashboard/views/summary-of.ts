/** A line or two on the queries that are shown: the answer to "is it always slow, and who is it?" */
import { useMemo, useRef } from "preact/hooks"
import { formatCount, formatMs, formatNumberOf } from "../format.ts"
import { html } from "../html.ts"
import { Outcome } from "../parts/pieces.ts"
import type { QueryShape } from "../shapes.ts"
import { type SpanOfTimes, type Summary, summarize } from "../summary.ts"

const EVERY_MS = 1_000
const MOST = 5

export const SummaryOf = ({
  isFiltered,
  queries
}: {
  readonly queries: ReadonlyArray<QueryShape>
  readonly isFiltered: boolean
}) => {
  const last = useRef<{ readonly atMs: number; readonly summary: Summary } | undefined>(undefined)
  const { count, outcomes, upstreams, ...times } = useMemo(() => {
    const nowMs = performance.now()
    if (last.current !== undefined && queries.length > 500 && nowMs - last.current.atMs < EVERY_MS)
      return last.current.summary
    const summary = summarize(queries)
    last.current = { atMs: nowMs, summary }
    return summary
  }, [queries])
  if (count === 0) return null
  return html`<section class="panel summary" aria-label="In sum">
    <p>
      <b>${formatNumberOf(count, "query", "queries")}</b> ${isFiltered ? "that match" : "most recent"}: ${timesText({ count, ...times })}
    </p>
    <div class="columns">
      <${Groups} title="Outcome" groups=${outcomes} shown=${(name: string) => html`<${Outcome} name=${name} />`} />
      ${upstreams.length > 0 && html`<${Groups} title="Asked of" groups=${upstreams} shown=${(name: string) => html`<span class="name">${name}</span>`} />`}
    </div>
  </section>`
}

const timesText = ({ medianMs, p95Ms, slowestMs }: SpanOfTimes): string =>
  `median ${formatMs(medianMs)}, 95 % within ${formatMs(p95Ms)}, slowest ${formatMs(slowestMs)}`

const Groups = ({
  groups,
  shown,
  title
}: {
  readonly title: string
  readonly groups: Summary["outcomes"]
  readonly shown: (name: string) => unknown
}) =>
  html`<table>
    <thead>
      <tr>
        <th scope="col">${title}</th>
        <th scope="col" class="number">Queries</th>
        <th scope="col" class="number">Median</th>
        <th scope="col" class="number wide-only">95 % within</th>
        <th scope="col" class="number">Slowest</th>
      </tr>
    </thead>
    <tbody>
      ${groups.slice(0, MOST).map(
        ([name, { count, medianMs, p95Ms, slowestMs }]) => html`<tr key=${name}>
          <th scope="row">${shown(name)}</th>
          <td class="number">${formatCount(count)}</td>
          <td class="number">${formatMs(medianMs)}</td>
          <td class="number wide-only">${formatMs(p95Ms)}</td>
          <td class="number">${formatMs(slowestMs)}</td>
        </tr>`
      )}
    </tbody>
  </table>`
