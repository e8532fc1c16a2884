/** What would become of a question from a client, step by step. */
import { useEffect, useState } from "preact/hooks"
import { call } from "../api.ts"
import { formatMs } from "../format.ts"
import { html } from "../html.ts"
import { Field, fieldsOf, Mistake, TypeList } from "../parts/pieces.ts"
import { Waterfall } from "../parts/waterfall.ts"
import { replaceParameters, route } from "../route.ts"
import type { ExplanationShape } from "../shapes.ts"
import { useStore } from "../store.ts"

export const Explain = () => {
  const { parameters } = useStore(route)
  const [explained, setExplained] = useState<ExplanationShape | undefined>(undefined)
  const [mistake, setMistake] = useState<string | undefined>(undefined)
  const [isUnderWay, setUnderWay] = useState(false)

  const ask = async (given: Readonly<Record<string, string>>): Promise<void> => {
    const { ask: isAsked, client, clientName, name = ".", type } = given
    setUnderWay(true)
    const body = {
      name,
      ...(type && { type }),
      ...(client && { client }),
      ...(clientName && { clientName }),
      ask: isAsked === "yes"
    }
    const reply = await call<ExplanationShape>("POST", "/api/v1/explain", { body })
    setUnderWay(false)
    setExplained(reply.ok ? reply.value : undefined)
    setMistake(reply.ok ? undefined : reply.message)
  }
  useEffect(() => {
    if (parameters["name"] !== undefined) void ask({ ...parameters, ask: "" })
  }, [])

  return html`
    <section class="panel filters" aria-labelledby="question">
      <header><h2 id="question">Question</h2></header>
      <form
        onSubmit=${(event: SubmitEvent) => {
          event.preventDefault()
          const given = fieldsOf(event.currentTarget as HTMLFormElement)
          const { ask: _, ...kept } = given
          replaceParameters("explain", kept)
          void ask(given)
        }}
      >
        <label class="long-name">Name<${Field} name="name" required value=${parameters["name"] ?? ""} placeholder="www.example.com" /></label>
        <label>Type<${Field} name="type" list="types" value=${parameters["type"] ?? "A"} /></label>
        <label>Client<${Field} name="client" value=${parameters["client"] ?? ""} placeholder="127.0.0.1" /></label>
        <label>Calls itself<${Field} name="clientName" value=${parameters["clientName"] ?? ""} placeholder="laptop" title="What the client calls itself, by TLS or HTTPS" /></label>
        <label class="check"><input type="checkbox" name="ask" value="yes" />Ask upstreams too</label>
        <button type="submit" class="primary" disabled=${isUnderWay}>Explain</button>
        <${TypeList} />
      </form>
    </section>
    <${Mistake} text=${mistake} />
    ${explained !== undefined && html`<${Explained} explained=${explained} />`}
  `
}

const Explained = ({ explained }: { readonly explained: ExplanationShape }) => {
  const { answer, client, name, steps, type } = explained
  return html`<section class="panel" aria-labelledby="explained">
      <header>
        <h2 id="explained">What happens to <span class="name">${name}</span> ${type}</h2>
        <span class="muted">from ${client}</span>
      </header>
      <ol class="steps">
        ${steps.map(
          ({ detail, isFinal, outcome, step }, at) => html`<li key=${at} class=${isFinal ? "is-final" : ""}>
            <b>${step}</b><span>${outcome}</span><span class="detail">${detail}${isFinal && html` <em>The answer comes from here.</em>`}</span>
          </li>`
        )}
      </ol>
    </section>
    ${
      answer !== null &&
      html`<section class="panel" aria-labelledby="asked">
        <header>
          <h2 id="asked">Asked</h2>
          <span class="muted">${answer.rcode} in ${formatMs(answer.tookMs)}</span>
        </header>
        ${answer.attempts.length > 0 && html`<${Waterfall} label="Attempts" steps=${answer.attempts} />`}
        <ul class="records">
          ${answer.records.map((record) => html`<li key=${record}><code>${record}</code></li>`)}
        </ul>
      </section>`
    }`
}
