/** The last changes of the configuration, and the way back to each. */
import { useEffect, useState } from "preact/hooks"
import { call } from "../api.ts"
import { formatDate, formatNumberOf } from "../format.ts"
import { html } from "../html.ts"
import { usePolled } from "../live.ts"
import { Confirm } from "../parts/dialog.ts"
import { Mistake } from "../parts/pieces.ts"
import { say } from "../say.ts"
import type { ChangedShape, HistoryShape } from "../shapes.ts"

export const History = ({
  generation,
  onRolledBack
}: {
  readonly generation: number
  readonly onRolledBack: () => Promise<void>
}) => {
  const { mistake, refresh, value } = usePolled<HistoryShape>("/api/v1/config/history", {}, 0)
  const [target, setTarget] = useState<number | undefined>(undefined)
  useEffect(() => void refresh(), [generation, refresh])
  const rollBack = async (): Promise<void> => {
    const reply = await call<ChangedShape>("POST", "/api/v1/config/rollback", {
      body: { generation: target },
      generation
    })
    if (reply.ok)
      say(
        `Rolled back: ${formatNumberOf(reply.value.changed.length, "setting")} changed, generation ${reply.value.generation}.`
      )
    else say(reply.message, true)
    await onRolledBack()
  }
  const newestFirst = [...(value ?? [])].sort((a, b) => b.generation - a.generation)
  return html`<section class="panel" aria-labelledby="history">
    <header>
      <h2 id="history">History</h2>
      <span class="muted grow">the last 50 changes</span>
    </header>
    <${Mistake} text=${mistake} />
    ${newestFirst.length === 0 && html`<p class="muted">Nothing has changed since the start.</p>`}
    <ol class="history">
      ${newestFirst.map(
        ({ atMs, by, changed, generation: made }) => html`<li key=${made}>
          <div class="actions">
            <span class="grow"><b>Generation ${made}</b> <span class="muted">${formatDate(atMs)}, by ${by}</span></span>
            ${
              made === generation
                ? html`<span class="muted">in use</span>`
                : html`<button type="button" class="plain" onClick=${() => setTarget(made)}>Roll back to ${made}</button>`
            }
          </div>
          ${changed.length > 0 && html`<${ChangeTable} changes=${changed} />`}
        </li>`
      )}
    </ol>
    ${
      target !== undefined &&
      html`<${Confirm} title=${`Roll back to generation ${target}?`} action="Roll back" onClose=${() => setTarget(undefined)} onConfirm=${rollBack}>
        <p>All settings are again what they were in it. This is a change of its own, which can be rolled back too.</p>
      <//>`
    }
  </section>`
}

export const ChangeTable = ({ changes }: { readonly changes: ChangedShape["changed"] }) =>
  html`<table class="changes-table">
    <thead>
      <tr><th scope="col">Setting</th><th scope="col">Before</th><th scope="col">After</th></tr>
    </thead>
    <tbody>
      ${changes.map(
        ({ after, before, name }) => html`<tr key=${name}>
          <th scope="row"><code>${name}</code></th>
          <td>${before === null ? html`<span class="muted">not set</span>` : html`<code>${before}</code>`}</td>
          <td>${after === null ? html`<span class="muted">not set</span>` : html`<code>${after}</code>`}</td>
        </tr>`
      )}
    </tbody>
  </table>`
