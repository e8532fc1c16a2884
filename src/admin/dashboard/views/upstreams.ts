/** The upstreams: how each does, and taking one out of use. */
import { useState } from "preact/hooks"
import { call } from "../api.ts"
import { formatCount, formatMs } from "../format.ts"
import { html } from "../html.ts"
import { usePolled } from "../live.ts"
import { Mistake, Share } from "../parts/pieces.ts"
import { linkTo } from "../route.ts"
import { say } from "../say.ts"
import type { UpstreamShape } from "../shapes.ts"
import { UpstreamState } from "./upstream-state.ts"

const EVERY_MS = 1_000

interface Probed {
  readonly answered: boolean
  readonly rcode: string | null
  readonly tookMs: number
  readonly error: string | null
}

export const Upstreams = () => {
  const { mistake, refresh, value } = usePolled<ReadonlyArray<UpstreamShape>>("/api/v1/upstreams", {}, EVERY_MS)
  return html`
    <${Mistake} text=${mistake} />
    ${value === undefined && html`<p class="muted">Loading …</p>`}
    <div class="cards">
      ${value?.map((upstream) => html`<${UpstreamCard} key=${upstream.id} upstream=${upstream} refresh=${refresh} />`)}
    </div>
  `
}

const UpstreamCard = ({
  refresh,
  upstream
}: {
  readonly upstream: UpstreamShape
  readonly refresh: () => Promise<void>
}) => {
  const [isUnderWay, setUnderWay] = useState(false)
  const [probed, setProbed] = useState<string | undefined>(undefined)
  const { id, isDrained } = upstream
  const order = async <A>(what: "drain" | "enable" | "probe"): Promise<A | undefined> => {
    setUnderWay(true)
    const reply = await call<A>("POST", `/api/v1/upstreams/${encodeURIComponent(id)}/${what}`)
    setUnderWay(false)
    if (!reply.ok) say(`${id}: ${reply.message}`, true)
    await refresh()
    return reply.ok ? reply.value : undefined
  }
  const probe = async (): Promise<void> => {
    const answer = await order<Probed>("probe")
    if (answer === undefined) return
    const text = answer.answered
      ? `answered ${answer.rcode} in ${formatMs(answer.tookMs)}`
      : `no answer after ${formatMs(answer.tookMs)}${answer.error === null ? "" : `: ${answer.error}`}`
    setProbed(text)
    say(`${id} ${text}`)
  }
  const turn = async (): Promise<void> => {
    if ((await order(isDrained ? "enable" : "drain")) !== undefined) {
      say(isDrained ? `${id} is in use again` : `${id} is drained: it is asked only where no other can be`)
    }
  }
  return html`<section class="panel upstream" aria-labelledby=${`upstream-${id}`}>
    <header>
      <h2 id=${`upstream-${id}`} class="name">${id}</h2>
      <${UpstreamState} upstream=${upstream} />
      <span class="actions">
        <a href=${linkTo("queries", { upstream: id })}>Queries<span class="hidden"> that asked ${id}</span></a>
        <button type="button" disabled=${isUnderWay} onClick=${probe}>Probe<span class="hidden"> ${id}</span></button>
        <button type="button" disabled=${isUnderWay} onClick=${turn}>${isDrained ? "Enable" : "Drain"}<span class="hidden"> ${id}</span></button>
      </span>
    </header>
    <dl class="facts">
      <div><dt>Latency</dt><dd>${upstream.latencyMs === null ? "not known" : formatMs(upstream.latencyMs)}${upstream.variationMs !== null && html` <small>± ${formatMs(upstream.variationMs)}</small>`}</dd></div>
      <div><dt>Median</dt><dd>${formatMs(upstream.p50Ms)}</dd></div>
      <div><dt>99th percentile</dt><dd>${formatMs(upstream.p99Ms)}</dd></div>
      <div><dt>In flight</dt><dd>${formatCount(upstream.inFlight)}</dd></div>
      <div><dt>Attempts</dt><dd>${formatCount(upstream.attempts)}</dd></div>
      <div><dt>Retries</dt><dd>${formatCount(upstream.retries)}</dd></div>
      <div><dt>Hedges</dt><dd>${formatCount(upstream.hedges)}</dd></div>
      <div><dt>Share of attempts</dt><dd><${Share} share=${upstream.share} /></dd></div>
      <div><dt>Groups</dt><dd>${upstream.groups.length === 0 ? "–" : upstream.groups.join(", ")}</dd></div>
      <div><dt>Answers</dt><dd>${countsText(upstream.rcodes)}</dd></div>
      <div><dt>Failures</dt><dd>${countsText(upstream.failures)}</dd></div>
      ${probed !== undefined && html`<div><dt>Last probe</dt><dd>${probed}</dd></div>`}
    </dl>
  </section>`
}

const countsText = (counts: Readonly<Record<string, number>>): string => {
  const given = Object.entries(counts).filter(([, count]) => count > 0)
  return given.length === 0 ? "none" : given.map(([name, count]) => `${name} ${formatCount(count)}`).join(", ")
}
