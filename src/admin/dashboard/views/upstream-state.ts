/** Whether an upstream is asked, by its breaker and by those who look after the server. */
import { html } from "../html.ts"
import type { UpstreamShape } from "../shapes.ts"

const texts: Readonly<Record<UpstreamShape["state"], readonly [color: string, text: string]>> = {
  closed: ["hit", "healthy"],
  half_open: ["stale", "tried again"],
  open: ["failure", "broken: not asked"]
}

export const UpstreamState = ({ upstream }: { readonly upstream: UpstreamShape }) => {
  const [color, text] = upstream.isDrained ? ["other", "drained"] : texts[upstream.state]
  return html`<span class="outcome"><i class=${`swatch is-${color}`}></i>${text}</span>`
}
