/** Whether an upstream is asked, by its breaker and by those who look after the server, and whether much of it fails. */
import { failedShare } from "../failed-share.ts"
import { formatPercent } from "../format.ts"
import { html } from "../html.ts"
import type { UpstreamShape } from "../shapes.ts"

const texts: Readonly<Record<UpstreamShape["state"], readonly [color: string, text: string]>> = {
  closed: ["hit", "healthy"],
  half_open: ["stale", "tried again"],
  open: ["failure", "broken: not asked"]
}

/** A share of failed attempts that is no health. */
const MUCH = 0.05

const shownState = (upstream: UpstreamShape): readonly [color: string, text: string] => {
  if (upstream.isDrained) return ["other", "drained"]
  const share = failedShare(upstream)
  if (upstream.state !== "closed" || share < MUCH) return texts[upstream.state]
  return ["stale", `in use, ${formatPercent(share)} of attempts failed`]
}

export const UpstreamState = ({ upstream }: { readonly upstream: UpstreamShape }) => {
  const [color, text] = shownState(upstream)
  return html`<span class="outcome"><i class=${`swatch is-${color}`}></i>${text}</span>`
}
