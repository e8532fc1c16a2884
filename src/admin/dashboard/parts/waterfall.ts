/** The steps of a query along its time. */
import { formatMs } from "../format.ts"
import { html } from "../html.ts"
import type { StepShape } from "../shapes.ts"
import { startMsOf } from "../where-time-went.ts"

/** What a step is called on the page. */
const labels: Readonly<Record<string, string>> = {
  "dns.query": "query",
  "cache.lookup": "cache",
  "queue.wait": "in line",
  "cache.shared": "shared cache",
  "upstream.resolve": "upstreams",
  "upstream.attempt": "attempt"
}

export const Waterfall = ({ label, steps }: { readonly label: string; readonly steps: ReadonlyArray<StepShape> }) => {
  const startMs = startMsOf(steps)
  const totalMs = steps.reduce((most, { toMs }) => Math.max(most, toMs), 0) - startMs
  const percent = (ms: number): string => `${totalMs === 0 ? 0 : Math.max(0, Math.min(100, (ms / totalMs) * 100))}%`
  let attempt = 0
  return html`<table class="waterfall" aria-label=${label}>
    <thead>
      <tr>
        <th scope="col">Step</th>
        <th scope="col" class="number began">Began</th>
        <th scope="col" class="number">Took</th>
        <th scope="col" class="along">Along ${formatMs(totalMs)}</th>
      </tr>
    </thead>
    <tbody>
      ${steps.map(({ depth, detail, fromMs, name, status, toMs }, at) => {
        const text = labels[name] ?? name
        return html`<tr key=${at} class=${status === "error" ? "is-failed" : ""}>
          <th scope="row" class=${`depth-${Math.min(3, depth)}`}>${name === "upstream.attempt" ? `${text} ${++attempt}` : text}</th>
          <td class="number began">${formatMs(fromMs)}</td>
          <td class="number">${formatMs(Math.max(0, toMs - fromMs))}</td>
          <td class="along">
            <span class="track" aria-hidden="true"
              ><span class="span" style=${{ left: percent(fromMs - startMs), width: percent(Math.max(0, toMs - fromMs)) }}></span
            ></span>
            <span class="detail">${status === "error" && html`<b>failed </b>`}${detail}</span>
          </td>
        </tr>`
      })}
    </tbody>
  </table>`
}
