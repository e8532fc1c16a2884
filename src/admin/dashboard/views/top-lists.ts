/** Who asks most, what for, and whom that is asked of. */
import { useState } from "preact/hooks"
import { formatCount, formatSeconds } from "../format.ts"
import { html } from "../html.ts"
import { usePolled } from "../live.ts"
import { Choices, Mistake, Share, windowChoices } from "../parts/pieces.ts"
import { linkTo } from "../route.ts"
import type { TopShape } from "../shapes.ts"

const EVERY_MS = 5_000
const ROWS = 10

interface Kind {
  readonly by: string
  readonly title: string
  readonly link: (key: string) => string
  /** Not shown while there is nothing in it. */
  readonly isSeldom?: boolean
}

const kinds: ReadonlyArray<Kind> = [
  { by: "name", title: "Names", link: (key) => linkTo("queries", { name: key }) },
  { by: "client", title: "Clients", link: (key) => linkTo("queries", { client: key }) },
  { by: "type", title: "Types", link: (key) => linkTo("queries", { type: key }) },
  { by: "upstream", title: "Upstreams", link: (key) => linkTo("queries", { upstream: key }) },
  {
    by: "limited",
    title: "Limited clients",
    link: (key) => linkTo("queries", { client: key, outcome: "limited" }),
    isSeldom: true
  }
]

export const TopLists = () => {
  const [span, setSpan] = useState("10m")
  return html`<section class="panel" aria-labelledby="top">
    <header>
      <h2 id="top">Asked most</h2>
      <${Choices} label="Span of the lists" choices=${windowChoices} chosen=${span} onChoose=${setSpan} />
    </header>
    <div class="tops">
      ${kinds.map((kind) => html`<${TopList} key=${kind.by} span=${span} ...${kind} />`)}
    </div>
  </section>`
}

const TopList = ({ by, isSeldom, link, span, title }: Kind & { readonly span: string }) => {
  const { mistake, value } = usePolled<TopShape>("/api/v1/top", { by, window: span, limit: ROWS }, EVERY_MS)
  if (isSeldom === true && (value?.entries.length ?? 0) === 0) return ""
  return html`<div>
    <h3 id=${`top-${by}`}>${title} <span class="muted">${value !== undefined && `in ${formatSeconds(value.seconds)}`}</span></h3>
    <${Mistake} text=${mistake} />
    ${
      value?.entries.length === 0
        ? html`<p class="muted">Nothing yet.</p>`
        : html`<table class="top" aria-labelledby=${`top-${by}`}>
            <colgroup><col /><col class="count" /><col class="part" /></colgroup>
            <thead class="hidden">
              <tr><th scope="col">${title}</th><th scope="col">Queries</th><th scope="col">Share</th></tr>
            </thead>
            <tbody>
              ${value?.entries.map(
                ({ count, error, key, share }) => html`<tr key=${key}>
                  <th scope="row" class="name"><a href=${link(key)} title=${key}>${key}</a></th>
                  <td class="number" title=${error > 0 ? `at most ${formatCount(error)} fewer` : undefined}>${formatCount(count)}</td>
                  <td><${Share} share=${share} /></td>
                </tr>`
              )}
            </tbody>
          </table>`
    }
  </div>`
}
