/** Small pieces that views are made of. */
import { useLayoutEffect, useRef } from "preact/hooks"
import { formatPercent } from "../format.ts"
import { type ComponentChildren, html } from "../html.ts"

/** Outcomes with a colour of their own; the others share one. */
const coloured: ReadonlySet<string> = new Set(["hit", "miss", "stale", "local", "failure"])

/** An outcome by its colour and its name. */
export const Outcome = ({ name }: { readonly name: string }) =>
  html`<span class="outcome"><i class=${`swatch is-${coloured.has(name) ? name : name === "special" ? "local" : "other"}`}></i>${name}</span>`

export interface FigureOptions {
  readonly label: string
  readonly value: ComponentChildren
  /** What is beside it, smaller. */
  readonly beside?: ComponentChildren
  readonly isAlarming?: boolean
}

/** A figure with its name, in a list of them. */
export const Figure = ({ beside, isAlarming, label, value }: FigureOptions) =>
  html`<div class=${isAlarming === true ? "figure is-alarming" : "figure"}>
    <dt>${label}</dt>
    <dd><span class="value">${value}</span>${beside !== undefined && html`<small>${beside}</small>`}</dd>
  </div>`

/** A share of a whole, as a bar with its text. */
export const Share = ({ share, text }: { readonly share: number; readonly text?: string }) =>
  html`<span class="share"
    ><span class="share-bar" aria-hidden="true"><span style=${{ width: `${Math.min(100, share * 100)}%` }}></span></span
    ><span>${text ?? formatPercent(share)}</span></span
  >`

/** A table that is wider than a phone: it scrolls by itself, by keyboard too. */
export const Wide = ({ children, label }: { readonly children?: ComponentChildren; readonly label: string }) =>
  html`<div class="wide" role="region" aria-label=${label} tabindex="0">${children}</div>`

export const Mistake = ({ text }: { readonly text: string | undefined }) =>
  text === undefined ? null : html`<p class="mistake" role="alert">${text}</p>`

export interface Choice {
  readonly value: string
  readonly label: string
}

/** A few choices side by side, one of which holds. */
export const Choices = ({
  choices,
  chosen,
  label,
  onChoose
}: {
  readonly label: string
  readonly choices: ReadonlyArray<Choice>
  readonly chosen: string
  readonly onChoose: (value: string) => void
}) =>
  html`<div class="choices" role="group" aria-label=${label}>
    ${choices.map(
      ({ label: text, value }) =>
        html`<button key=${value} type="button" aria-pressed=${String(value === chosen)} onClick=${() => onChoose(value)}>${text}</button>`
    )}
  </div>`

export const windowChoices: ReadonlyArray<Choice> = [
  { value: "1m", label: "1 min" },
  { value: "10m", label: "10 min" },
  { value: "1h", label: "1 h" }
]

/** What is written in a form's fields, by their names; those that are empty are not there. */
export const fieldsOf = (form: HTMLFormElement): Record<string, string> =>
  Object.fromEntries(
    [...new FormData(form)].flatMap(([name, value]) =>
      typeof value === "string" && value.trim() !== "" ? [[name, value.trim()]] : []
    )
  )

/** Types that are asked for most, for fields that take any. */
export const TypeList = () =>
  html`<datalist id="types">
    ${["A", "AAAA", "CNAME", "HTTPS", "MX", "NS", "PTR", "SOA", "SRV", "SVCB", "TXT"].map((type) => html`<option key=${type} value=${type}></option>`)}
  </datalist>`

/**
 * A field of a form that is read when it is sent: it shows `value` whenever that is another, and else what was typed into
 * it, however often what is around it is drawn anew.
 */
export const Field = ({ value, ...more }: { readonly value: string; readonly [name: string]: unknown }) => {
  const input = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => {
    if (input.current !== null) input.current.value = value
  }, [value])
  return html`<input ref=${input} autocomplete="off" spellcheck=${false} ...${more} />`
}
