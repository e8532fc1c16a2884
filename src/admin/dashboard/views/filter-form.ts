/** The filters of the query log: what is typed holds a moment later, and stands in the page's address. */
import { useEffect, useRef, useState } from "preact/hooks"
import { html } from "../html.ts"
import { Field, fieldsOf, TypeList } from "../parts/pieces.ts"
import type { QueryShape } from "../shapes.ts"

export type Given = Readonly<Record<string, string>>

const TYPING_MS = 300

/** All that the API says. */
const outcomes: Readonly<Record<QueryShape["outcome"], true>> = {
  hit: true,
  miss: true,
  stale: true,
  failure: true,
  local: true,
  special: true,
  denied: true,
  looped: true,
  malformed: true,
  limited: true
}

const names = ["name", "suffix", "client", "type", "rcode", "outcome", "upstream", "slower_than_ms"]

export const filtersOf = (parameters: Given): Given =>
  Object.fromEntries(names.flatMap((name) => (parameters[name] ? [[name, parameters[name]]] : [])))

export const FilterForm = ({
  filters,
  onFilters
}: {
  readonly filters: Given
  readonly onFilters: (given: Given) => void
}) => {
  const timer = useRef(0)
  useEffect(() => () => clearTimeout(timer.current), [])
  const count = Object.keys(filters).length
  // On a phone the queries come first.
  const [isOpen] = useState(count > 0 || matchMedia("(min-width: 761px)").matches)
  const apply = (form: HTMLFormElement): void => {
    clearTimeout(timer.current)
    onFilters(fieldsOf(form))
  }
  const field = (name: string, label: string, more: Readonly<Record<string, string>> = {}) =>
    html`<label>${label}<${Field} name=${name} value=${filters[name] ?? ""} ...${more} /></label>`
  return html`<details open=${isOpen}>
    <summary>Filters${count > 0 && html` <span class="muted">${count} set</span>`}</summary>
    <form
      role="search"
      aria-label="Filters of the queries"
      onSubmit=${(event: SubmitEvent) => {
        event.preventDefault()
        apply(event.currentTarget as HTMLFormElement)
      }}
      onInput=${(event: InputEvent) => {
        const form = event.currentTarget as HTMLFormElement
        clearTimeout(timer.current)
        timer.current = window.setTimeout(() => apply(form), TYPING_MS)
      }}
    >
      ${field("name", "Name contains", { placeholder: "www" })}
      ${field("suffix", "At or below", { placeholder: "example.com" })}
      ${field("client", "Client or network", { placeholder: "10.0.0.0/8", title: "An address, a network, or what a client calls itself" })}
      ${field("type", "Type", { placeholder: "AAAA", list: "types" })}
      ${field("rcode", "Response code", { placeholder: "SERVFAIL" })}
      <label
        >Outcome<select name="outcome">
          <option value="" selected=${filters["outcome"] === undefined}>any</option>
          ${Object.keys(outcomes).map((outcome) => html`<option key=${outcome} value=${outcome} selected=${filters["outcome"] === outcome}>${outcome}</option>`)}
        </select></label
      >
      ${field("upstream", "Upstream", { placeholder: "9.9.9.9", title: "Part of the name of an upstream that was asked" })}
      ${field("slower_than_ms", "Slower than, ms", { type: "number", min: "0", step: "any", placeholder: "100" })}
      ${
        count > 0 &&
        html`<button type="button" onClick=${() => {
          clearTimeout(timer.current)
          onFilters({})
        }}>Clear filters</button>`
      }
      <${TypeList} />
    </form>
  </details>`
}
