/** One setting: what it is, where that was said, and a field to change it. */
import { useLayoutEffect, useRef } from "preact/hooks"
import type { Draft } from "../drafts.ts"
import { html } from "../html.ts"
import { editedText, isHidden, shownText } from "../setting-text.ts"
import type { MistakesShape, SettingShape } from "../shapes.ts"

export interface SettingRowOptions {
  readonly name: string
  readonly setting: SettingShape
  readonly draft: Draft | undefined
  readonly mistake: MistakesShape["mistakes"][number] | undefined
  readonly onChange: (draft: Draft | undefined) => void
}

export const SettingRow = ({ draft, mistake, name, onChange, setting }: SettingRowOptions) => {
  const { meaning, place, source, touches } = setting
  const text = shownText(setting)
  const isSet = source === "program"
  return html`<div class=${draft === undefined ? "setting" : "setting is-changed"}>
    <div class="setting-head">
      <h3 id=${`setting-${name}`}><code>${name}</code></h3>
      <span class="setting-value">${text === "" ? html`<span class="muted">not set</span>` : html`<code>${text}</code>`}</span>
      <span class="source" title=${place}>${isSet ? "changed here" : source}</span>
      <span class="actions">
        ${
          draft === undefined
            ? html`<button type="button" class="plain" onClick=${() => onChange(editedText(setting))}>Edit<span class="hidden"> ${name}</span></button>`
            : html`<button type="button" class="plain" onClick=${() => onChange(undefined)}>Leave<span class="hidden"> ${name}</span> as it is</button>`
        }
        ${
          isSet &&
          draft === undefined &&
          html`<button type="button" class="plain" onClick=${() => onChange(null)}>Give back<span class="hidden"> ${name}</span></button>`
        }
      </span>
    </div>
    <p class="muted" id=${`meaning-${name}`}>${meaning}.${touches.length > 0 && ` Touches: ${touches.join(", ")}.`}</p>
    ${draft === null && html`<p class="give-back">Back to what the file, the environment or the default says.</p>`}
    ${typeof draft === "string" && html`<${Field} name=${name} setting=${setting} draft=${draft} mistake=${mistake} onChange=${onChange} />`}
    ${
      mistake !== undefined &&
      html`<p class="mistake" id=${`mistake-${name}`}>${mistake.value !== null && html`<code>${mistake.value}</code> is wrong: `}expected ${mistake.expected}</p>`
    }
  </div>`
}

const Field = ({ draft, mistake, name, onChange, setting }: SettingRowOptions & { readonly draft: string }) => {
  const { kind, words } = setting
  const field = useRef<HTMLElement>(null)
  useLayoutEffect(() => field.current?.focus(), [])
  const common = {
    ref: field,
    "aria-labelledby": `setting-${name}`,
    "aria-describedby": mistake === undefined ? `meaning-${name}` : `mistake-${name} meaning-${name}`,
    "aria-invalid": mistake === undefined ? undefined : "true",
    onInput: (event: Event) => onChange((event.currentTarget as HTMLInputElement).value)
  }
  const choices = kind === "truth" ? ["true", "false"] : kind === "word" ? words : []
  if (choices.length > 0) {
    return html`<select ...${common}>
      ${choices.map((word) => html`<option key=${word} value=${word} selected=${word === draft}>${word}</option>`)}
    </select>`
  }
  const hint = isHidden(setting) ? "a part of it is hidden: write all of it" : ""
  if (kind === "list") {
    return html`<textarea ...${common} rows=${Math.min(8, draft.split("\n").length + 1)} value=${draft} spellcheck=${false} placeholder=${hint || "one in a line"}></textarea>`
  }
  return html`<input ...${common} value=${draft} inputmode=${kind === "number" ? "decimal" : "text"} autocomplete="off" spellcheck=${false} placeholder=${hint} />`
}
