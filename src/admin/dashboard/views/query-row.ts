/**
 * A row of the log. Rows stay where they are, and what they show moves through them: to change a text costs a third of a new
 * row, and while somebody points at one nothing moves.
 */
import { Component } from "preact"
import { formatClock, formatMs } from "../format.ts"
import { html } from "../html.ts"
import { Outcome } from "../parts/pieces.ts"
import type { QueryShape } from "../shapes.ts"

export interface QueryRowOptions {
  readonly query: QueryShape
  readonly onOpen: (id: string) => void
}

export class QueryRow extends Component<QueryRowOptions> {
  override shouldComponentUpdate({ query }: QueryRowOptions): boolean {
    return query.id !== this.props.query.id
  }

  override render({ onOpen, query }: QueryRowOptions) {
    const { atMs, attempts, client, clientName, id, name, outcome, rcode, tookMs, type, upstream } = query
    return html`<tr onClick=${() => onOpen(id)}>
      <td class="time">${formatClock(atMs)}<span class="wide-only">.${String(Math.floor(atMs % 1000)).padStart(3, "0")}</span></td>
      <td class="name"><button type="button" class="link" title=${name}>${name === "" ? "(no name)" : name}</button></td>
      <td class="type">${type}</td>
      <td class="client" title=${client}>${clientName ?? client}</td>
      <td class="result"><${Outcome} name=${outcome} /></td>
      <td class="rcode">${rcode ?? "no reply"}</td>
      <td class="number took">${formatMs(tookMs)}</td>
      <td class="upstream" title=${upstream ?? undefined}>${upstream ?? ""}${attempts > 1 && html` <b>${attempts} attempts</b>`}</td>
    </tr>`
  }
}
