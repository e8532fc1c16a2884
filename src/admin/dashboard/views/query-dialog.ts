/** One query: what it was, where its time went, and where to look next. */

import { formatBytes, formatDate, formatMs } from "../format.ts"
import { html } from "../html.ts"
import { usePolled } from "../live.ts"
import { Dialog } from "../parts/dialog.ts"
import { Mistake, Outcome } from "../parts/pieces.ts"
import { Waterfall } from "../parts/waterfall.ts"
import { linkTo } from "../route.ts"
import type { TraceShape, UpstreamShape } from "../shapes.ts"
import { compareUpstreams, whereTimeWent } from "../where-time-went.ts"

export const QueryDialog = ({ id, onClose }: { readonly id: string; readonly onClose: () => void }) => {
  const { mistake, value } = usePolled<TraceShape>(`/api/v1/traces/${encodeURIComponent(id)}`, {}, 0)
  const title =
    value === undefined
      ? `Query ${id}`
      : html`<span class="name">${value.query.name || "(no name)"}</span> ${value.query.type}`
  return html`<${Dialog} title=${title} className="drawer" onClose=${onClose}>
    ${value === undefined ? html`<p class="muted">${mistake ?? "Loading …"}</p>` : html`<${Told} trace=${value} />`}
  <//>`
}

const Told = ({ trace }: { readonly trace: TraceShape }) => {
  const { query, steps } = trace
  const upstreams = usePolled<ReadonlyArray<UpstreamShape>>("/api/v1/upstreams", {}, 0).value
  const compared = compareUpstreams(query.upstream, upstreams ?? [])
  const { name, type } = query
  return html`
    <p class="verdict">${whereTimeWent(trace)}${compared !== undefined && html`<br />${compared}`}</p>
    <${Mistake} text=${query.error ?? undefined} />
    <${Waterfall} label="Steps of the query" steps=${steps} />
    <dl class="facts">
      <div><dt>Outcome</dt><dd><${Outcome} name=${query.outcome} /></dd></div>
      <div><dt>Response</dt><dd>${query.rcode ?? "no reply"}, ${formatBytes(query.octets)}</dd></div>
      <div><dt>Took</dt><dd>${formatMs(query.tookMs)}</dd></div>
      <div><dt>Client</dt><dd>${query.client} port ${query.clientPort}, ${query.protocol}</dd></div>
      ${query.clientName !== null && html`<div><dt>Calls itself</dt><dd>${query.clientName}</dd></div>`}
      ${query.upstream !== null && html`<div><dt>Upstream</dt><dd>${query.upstream}</dd></div>`}
      ${query.isCoalesced && html`<div><dt>Shared</dt><dd>with an equal question that was asked before</dd></div>`}
      ${query.isShared && html`<div><dt>Shared cache</dt><dd>the answer came from Redis</dd></div>`}
      <div><dt>Came</dt><dd>${formatDate(query.atMs)}</dd></div>
      <div><dt>Worker</dt><dd>${query.worker}</dd></div>
    </dl>
    <nav class="actions" aria-label="Where to look next">
      <a class="button" href=${linkTo("queries", { name, sort: "slowest" })}>Queries for this name</a>
      <a class="button" href=${linkTo("explain", { name, type, client: query.client, clientName: query.clientName ?? undefined })}>Explain it</a>
      <a class="button" href=${linkTo("cache", { name })}>In the cache</a>
      ${query.upstream !== null && html`<a class="button" href=${linkTo("upstreams")}>Upstreams</a>`}
    </nav>
  `
}
