/** The cache: how full it is, what it keeps for a name, forgetting. */
import { useState } from "preact/hooks"
import { call } from "../api.ts"
import { formatBytes, formatCount, formatNumberOf, formatPercent, formatSeconds } from "../format.ts"
import { html } from "../html.ts"
import { usePolled } from "../live.ts"
import { Confirm } from "../parts/dialog.ts"
import { Field, Figure, fieldsOf, Mistake, Share, TypeList, Wide } from "../parts/pieces.ts"
import { replaceParameters, route } from "../route.ts"
import { say } from "../say.ts"
import type { CacheShape } from "../shapes.ts"
import { useStore } from "../store.ts"

const EVERY_MS = 2_000

type Entry = CacheShape["found"][number]

export const Cache = () => {
  const { parameters } = useStore(route)
  const { name, type } = parameters
  const { mistake, refresh, value } = usePolled<CacheShape>("/api/v1/cache", { name, type }, EVERY_MS)
  const [isForgettingAll, setForgettingAll] = useState(false)
  const forget = async (query: {
    readonly name?: string
    readonly type?: string
    readonly subtree?: boolean
    readonly all?: boolean
  }) => {
    const reply = await call<{ forgotten: number; isToldToOthers: boolean }>("DELETE", "/api/v1/cache", { query })
    if (!reply.ok) say(reply.message, true)
    else {
      const { forgotten, isToldToOthers } = reply.value
      say(
        `${formatNumberOf(forgotten, "answer")} forgotten${isToldToOthers ? ", here and by the servers on the same Redis" : ""}`
      )
    }
    await refresh()
  }
  return html`
    ${value !== undefined && html`<${Figures} cache=${value} />`}
    <section class="panel filters" aria-labelledby="look-up">
      <header><h2 id="look-up">What is kept for a name</h2></header>
      <form
        role="search"
        onSubmit=${(event: SubmitEvent) => {
          event.preventDefault()
          replaceParameters("cache", fieldsOf(event.currentTarget as HTMLFormElement))
        }}
      >
        <label class="long-name">Name<${Field} name="name" required value=${name ?? ""} placeholder="www.example.com" /></label>
        <label>Type<${Field} name="type" list="types" value=${type ?? ""} placeholder="usual types" /></label>
        <button type="submit" class="primary">Look up</button>
        <${TypeList} />
      </form>
    </section>
    <${Mistake} text=${mistake} />
    ${
      name !== undefined &&
      value !== undefined &&
      html`<section class="panel" aria-labelledby="kept">
        <header>
          <h2 id="kept">Kept for <span class="name">${name}</span> ${type}</h2>
          <span class="muted grow">${formatNumberOf(value.found.length, "answer")}</span>
          <span class="actions">
            <button type="button" onClick=${() => forget({ name, ...(type && { type }) })}>Forget it</button>
            <button type="button" onClick=${() => forget({ name, subtree: true })}>Forget it and all below</button>
          </span>
        </header>
        ${value.found.length === 0 && html`<p class="muted">Nothing: the next query for it asks an upstream.</p>`}
        ${value.found.map((entry, at) => html`<${Kept} key=${at} entry=${entry} />`)}
      </section>`
    }
    <section class="panel" aria-labelledby="all">
      <header>
        <h2 id="all">Everything</h2>
        <span class="muted grow">After this every name is asked for anew.</span>
        <button type="button" class="danger" onClick=${() => setForgettingAll(true)}>Forget everything …</button>
      </header>
    </section>
    ${
      isForgettingAll &&
      html`<${Confirm} title="Forget everything?" action="Forget everything" onClose=${() => setForgettingAll(false)} onConfirm=${() => forget({ all: true })}>
        <p>${formatNumberOf(value?.entries ?? 0, "answer")} will be asked for again: upstreams will be busier and answers slower for a while.</p>
      <//>`
    }
  `
}

const Figures = ({ cache }: { readonly cache: CacheShape }) => {
  const { bytes, entries, evictions, hits, isShared, misses, sizeBytes, stored } = cache
  const asked = hits + misses
  return html`<section aria-label="How full it is">
    <dl class="figures">
      <${Figure} label="Answers kept" value=${formatCount(entries)} beside=${isShared ? "shared by Redis" : undefined} />
      <${Figure} label="Memory" value=${formatBytes(bytes)} beside=${html`<${Share} share=${sizeBytes === 0 ? 0 : bytes / sizeBytes} text=${`of ${formatBytes(sizeBytes)}`} />`} />
      <${Figure} label="Hits" value=${formatCount(hits)} beside=${asked === 0 ? undefined : formatPercent(hits / asked)} />
      <${Figure} label="Misses" value=${formatCount(misses)} />
      <${Figure} label="Stored" value=${formatCount(stored)} />
      <${Figure} label="Evicted" value=${formatCount(evictions)} beside=${evictions > 0 ? "no room" : undefined} />
    </dl>
  </section>`
}

const Kept = ({ entry }: { readonly entry: Entry }) => {
  const { ageSeconds, checkingDisabled, dnssecOk, group, octets, rcode, records, remainingSeconds, type } = entry
  const life =
    remainingSeconds > 0
      ? `${formatSeconds(remainingSeconds)} left`
      : `past its life by ${formatSeconds(-remainingSeconds)}: given only where upstreams fail`
  const asked = [...(dnssecOk ? ["DO"] : []), ...(checkingDisabled ? ["CD"] : [])]
  return html`<article class="kept">
    <h3>${type} <span class="muted">${rcode}, ${formatSeconds(ageSeconds)} old, ${life}, ${formatBytes(octets)}${asked.length > 0 && `, asked with ${asked.join(" and ")}`}${group !== null && `, group ${group}`}</span></h3>
    ${
      records.length > 0 &&
      html`<${Wide} label=${`Records of type ${type}`}>
        <table>
          <thead>
            <tr><th scope="col">Name</th><th scope="col">Type</th><th scope="col" class="number">TTL</th><th scope="col">Data</th><th scope="col">Section</th></tr>
          </thead>
          <tbody>
            ${records.map(
              (record, at) => html`<tr key=${at}>
                <td class="name">${record.name}</td><td>${record.type}</td><td class="number">${record.ttl}</td><td><code>${record.data}</code></td><td>${record.section}</td>
              </tr>`
            )}
          </tbody>
        </table>
      <//>`
    }
  </article>`
}
