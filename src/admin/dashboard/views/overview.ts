/** How the server does now: figures, charts, upstreams, and who asks for what. */
import { useState } from "preact/hooks"
import { formatClock, formatCompact, formatCount, formatMs, formatPercent, formatRate } from "../format.ts"
import { html } from "../html.ts"
import { seconds as secondsStore, status as statusStore, usePolled } from "../live.ts"
import { Chart } from "../parts/chart.ts"
import { Choices, Figure, Share } from "../parts/pieces.ts"
import { linkTo } from "../route.ts"
import type { RatesShape, SecondShape, StatusShape, UpstreamShape } from "../shapes.ts"
import { useStore } from "../store.ts"
import { TopLists } from "./top-lists.ts"
import { UpstreamState } from "./upstream-state.ts"

const UPSTREAMS_MS = 1_000

export const Overview = () => {
  const status = useStore(statusStore)
  const all = useStore(secondsStore)
  const [span, setSpan] = useState("120")
  const seconds = all.slice(-Number(span))
  const upstreams = usePolled<ReadonlyArray<UpstreamShape>>("/api/v1/upstreams", {}, UPSTREAMS_MS).value
  return html`
    <${Figures} status=${status} upstreams=${upstreams} last=${all.at(-1)} />
    <section class="panel" aria-labelledby="charts">
      <header>
        <h2 id="charts">Each second</h2>
        <${Choices} label="Span of the charts" chosen=${span} onChoose=${setSpan} choices=${[
          { value: "120", label: "2 min" },
          { value: "600", label: "10 min" }
        ]} />
      </header>
      ${seconds.length === 0 ? html`<p class="muted">The first second is not over yet.</p>` : html`<${Charts} seconds=${seconds} span=${Number(span)} />`}
    </section>
    <div class="columns">
      <${UpstreamsNow} upstreams=${upstreams} />
      <${Rcodes} seconds=${all.slice(-60)} />
    </div>
    <${TopLists} />
  `
}

const Figures = ({
  last,
  status,
  upstreams
}: {
  readonly status: StatusShape | undefined
  readonly upstreams: ReadonlyArray<UpstreamShape> | undefined
  readonly last: SecondShape | undefined
}) => {
  if (status === undefined) return html`<p class="muted">Loading …</p>`
  const { last10Minutes, last10Seconds, lastMinute } = status.rates
  const over = (text: (rates: RatesShape) => string) => ({
    value: text(last10Seconds),
    beside: html`<span>${text(lastMinute)} <i>1 min</i></span> <span>${text(last10Minutes)} <i>10 min</i></span>`
  })
  const inFlight = upstreams?.reduce((sum, upstream) => sum + upstream.inFlight, 0)
  const used = status.workers.reduce((sum, { permitsUsed }) => sum + permitsUsed, 0)
  return html`<section aria-label="Now: the last 10 seconds">
    <dl class="figures of-ten">
      <${Figure} label="Queries a second" ...${over(({ queriesPerSecond }) => formatRate(queriesPerSecond))} />
      <${Figure} label="From the cache" ...${over(({ hitRatio }) => (hitRatio === null ? "–" : formatPercent(hitRatio)))} />
      <${Figure} label="Median" ...${over(({ p50Ms }) => formatMs(p50Ms))} />
      <${Figure} label="95th percentile" ...${over(({ p95Ms }) => formatMs(p95Ms))} />
      <${Figure} label="99th percentile" ...${over(({ p99Ms }) => formatMs(p99Ms))} />
      <${Figure} label="Waiting for upstreams" value=${formatCount(last?.waiting ?? 0)} beside=${html`${formatCount(used)} <i>permits used</i>`} />
      <${Figure} label="In line for a permit" isAlarming=${(last?.queued ?? 0) > 0} value=${formatCount(last?.queued ?? 0)} />
      <${Figure} label="In flight" value=${inFlight === undefined ? "–" : formatCount(inFlight)} beside=${html`<i>attempts under way</i>`} />
      <${Figure} label="Shed a second" isAlarming=${last10Seconds.shedPerSecond > 0} ...${over(({ shedPerSecond }) => formatRate(shedPerSecond))} />
      <${Figure} label="Failed a second" isAlarming=${last10Seconds.failedPerSecond > 0} ...${over(({ failedPerSecond }) => formatRate(failedPerSecond))} />
    </dl>
  </section>`
}

const Charts = ({ seconds, span }: { readonly seconds: ReadonlyArray<SecondShape>; readonly span: number }) => {
  const times = seconds.map(({ atMs }) => atMs)
  const valuesOf = (value: (second: SecondShape) => number | null) => seconds.map(value)
  return html`<div class="charts">
    <${Chart}
      title="Queries by outcome"
      times=${times}
      span=${span}
      isStacked
      format=${formatCompact}
      lines=${[
        { label: "hit", color: "hit", values: valuesOf(({ hits }) => hits) },
        { label: "local", color: "local", values: valuesOf(({ local }) => local) },
        { label: "stale", color: "stale", values: valuesOf(({ stale }) => stale) },
        { label: "miss", color: "miss", values: valuesOf(({ misses }) => Math.max(0, misses)) },
        { label: "failure", color: "failure", values: valuesOf(({ failures }) => failures) },
        { label: "shed", color: "other", values: valuesOf(({ shed }) => shed) }
      ]}
    />
    <${Chart}
      title="Time to answer"
      times=${times}
      span=${span}
      format=${formatMs}
      lines=${[
        {
          label: "99th percentile",
          color: "stale",
          values: valuesOf(({ p99Ms, queries }) => (queries === 0 ? null : p99Ms))
        },
        { label: "median", color: "miss", values: valuesOf(({ p50Ms, queries }) => (queries === 0 ? null : p50Ms)) }
      ]}
    />
    <${Chart}
      title="From the cache"
      times=${times}
      span=${span}
      max=${1}
      format=${(share: number) => `${Math.round(share * 100)} %`}
      lines=${[
        {
          label: "hits and stale answers, of all answers",
          color: "hit",
          values: valuesOf(({ hits, local, misses, stale }) => {
            const answered = hits + stale + misses + local
            return answered <= 0 ? null : (hits + stale) / answered
          })
        }
      ]}
    />
    <${Chart}
      title="Load"
      times=${times}
      span=${span}
      format=${formatCompact}
      lines=${[
        { label: "waiting", color: "miss", values: valuesOf(({ waiting }) => waiting) },
        { label: "in line", color: "stale", values: valuesOf(({ queued }) => queued) },
        { label: "shed", color: "failure", values: valuesOf(({ shed }) => shed) }
      ]}
    />
  </div>`
}

const UpstreamsNow = ({ upstreams }: { readonly upstreams: ReadonlyArray<UpstreamShape> | undefined }) =>
  html`<section class="panel" aria-labelledby="upstreams-now">
    <header>
      <h2 id="upstreams-now">Upstreams</h2>
      <a href=${linkTo("upstreams")}>all of them</a>
    </header>
    <table>
      <thead>
        <tr>
          <th scope="col">Upstream</th>
          <th scope="col">State</th>
          <th scope="col" class="number">Latency</th>
          <th scope="col" class="number wide-only">In flight</th>
          <th scope="col" class="wide-only">Share</th>
        </tr>
      </thead>
      <tbody>
        ${upstreams?.map(
          (upstream) => html`<tr key=${upstream.id}>
            <th scope="row" class="name">${upstream.id}</th>
            <td><${UpstreamState} upstream=${upstream} /></td>
            <td class="number">${upstream.latencyMs === null ? "–" : formatMs(upstream.latencyMs)}</td>
            <td class="number wide-only">${formatCount(upstream.inFlight)}</td>
            <td class="wide-only"><${Share} share=${upstream.share} /></td>
          </tr>`
        )}
      </tbody>
    </table>
  </section>`

const Rcodes = ({ seconds }: { readonly seconds: ReadonlyArray<SecondShape> }) => {
  const sums = new Map<string, number>()
  for (const { rcodes } of seconds) {
    for (const [rcode, count] of Object.entries(rcodes)) sums.set(rcode, (sums.get(rcode) ?? 0) + count)
  }
  const total = [...sums.values()].reduce((sum, count) => sum + count, 0)
  const since = seconds[0]
  return html`<section class="panel" aria-labelledby="rcodes">
    <header>
      <h2 id="rcodes">Response codes</h2>
      ${since !== undefined && html`<span class="muted">since ${formatClock(since.atMs)}</span>`}
    </header>
    ${
      total === 0
        ? html`<p class="muted">No answer in the last minute.</p>`
        : html`<table>
            <thead>
              <tr><th scope="col">Code</th><th scope="col" class="number">Answers</th><th scope="col">Share</th></tr>
            </thead>
            <tbody>
              ${[...sums]
                .sort(([, a], [, b]) => b - a)
                .map(
                  ([rcode, count]) => html`<tr key=${rcode}>
                    <th scope="row"><a href=${linkTo("queries", { rcode: rcode.toUpperCase() })}>${rcode}</a></th>
                    <td class="number">${formatCount(count)}</td>
                    <td><${Share} share=${count / total} /></td>
                  </tr>`
                )}
            </tbody>
          </table>`
    }
  </section>`
}
