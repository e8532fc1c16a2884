/** The process: its threads and memory, every counter, and its end. */
import { useState } from "preact/hooks"
import { call, forgetToken, token } from "../api.ts"
import { formatBytes, formatCount, formatMs, formatSeconds } from "../format.ts"
import { html } from "../html.ts"
import { status as statusStore } from "../live.ts"
import { Confirm } from "../parts/dialog.ts"
import { Figure, Wide } from "../parts/pieces.ts"
import { say } from "../say.ts"
import { useStore } from "../store.ts"

export const Server = () => {
  const status = useStore(statusStore)
  const given = useStore(token)
  const [isDraining, setDraining] = useState(false)
  if (status === undefined) return html`<p class="muted">Loading …</p>`
  const { generation, listening, memory, node, totals, uptimeSeconds, version, workers } = status
  const drain = async (form: HTMLFormElement): Promise<void> => {
    const seconds = Number(new FormData(form).get("seconds"))
    const reply = await call<{ endsInSeconds: number }>("POST", "/api/v1/drain", { body: { seconds } })
    if (reply.ok) say(`The server is not ready any more, and ends in ${formatSeconds(reply.value.endsInSeconds)}.`)
    else say(reply.message, true)
  }
  return html`
    <section aria-label="The process">
      <dl class="figures">
        <${Figure} label="Version" value=${version} beside=${`Node ${node}`} />
        <${Figure} label="Up" value=${formatSeconds(uptimeSeconds)} />
        <${Figure} label="Generation" value=${formatCount(generation)} beside="of the configuration" />
        <${Figure} label="Memory" value=${formatBytes(memory.residentBytes)} beside=${`heaps ${formatBytes(memory.heapBytes)}, cache ${formatBytes(memory.cacheBytes)}`} />
      </dl>
    </section>
    <section class="panel" aria-labelledby="listening">
      <header><h2 id="listening">Listens at</h2></header>
      <ul class="plain-list">${listening.map((at) => html`<li key=${at}><code>${at}</code></li>`)}</ul>
    </section>
    <section class="panel" aria-labelledby="workers">
      <header><h2 id="workers">Workers</h2></header>
      <${Wide} label="Table of the workers">
        <table>
          <thead>
            <tr>
              <th scope="col">Worker</th><th scope="col">State</th><th scope="col" class="number">Waiting</th><th scope="col" class="number">Permits</th>
              <th scope="col" class="number">In line</th><th scope="col" class="number">Resolvers</th><th scope="col" class="number">TCP</th>
              <th scope="col" class="number">Heap</th><th scope="col" class="number">Loop delay</th><th scope="col" class="number">Replaced</th>
            </tr>
          </thead>
          <tbody>
            ${workers.map(
              (worker) => html`<tr key=${worker.number}>
                <th scope="row">${worker.number}</th><td>${worker.state}</td><td class="number">${worker.queriesWaiting}</td><td class="number">${worker.permitsUsed}</td>
                <td class="number">${worker.queueLength}</td><td class="number">${worker.resolvers}</td><td class="number">${worker.tcpConnections}</td>
                <td class="number">${formatBytes(worker.heapBytes)}</td><td class="number">${formatMs(worker.loopDelayMs)}</td><td class="number">${worker.replacements}</td>
              </tr>`
            )}
          </tbody>
        </table>
      <//>
    </section>
    <section class="panel" aria-labelledby="counters">
      <header>
        <h2 id="counters">Counters</h2>
        <span class="muted grow">since the start; those that are zero are left out</span>
      </header>
      <dl class="counters">
        ${Object.entries(totals).map(([name, count]) => html`<div key=${name}><dt>${name}</dt><dd>${formatCount(count)}</dd></div>`)}
      </dl>
    </section>
    <section class="panel" aria-labelledby="more">
      <header><h2 id="more">More</h2></header>
      <p class="actions">
        <a class="button" href="/docs">The API</a>
        <a class="button" href="/metrics">Metrics</a>
        ${given !== undefined && html`<button type="button" onClick=${forgetToken}>Forget the token</button>`}
        <button type="button" class="danger" onClick=${() => setDraining(true)}>Drain the server …</button>
      </p>
    </section>
    ${
      isDraining &&
      html`<${Confirm} title="Drain the server?" action="Drain and end" onConfirm=${drain} onClose=${() => setDraining(false)}>
        <p>It says that it is not ready, so that no more clients are sent to it; goes on answering for this long; then it ends.</p>
        <label>Seconds<input name="seconds" type="number" min="0" max="3600" value="10" required /></label>
      <//>`
    }
  `
}
