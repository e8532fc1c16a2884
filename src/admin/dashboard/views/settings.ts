/** The configuration, section by section: looked at, changed with a dry run before, given back, saved, rolled back. */
import { useEffect, useState } from "preact/hooks"
import { call } from "../api.ts"
import { type Drafts, useDrafts } from "../drafts.ts"
import { formatNumberOf } from "../format.ts"
import { html } from "../html.ts"
import { status as statusStore, usePolled } from "../live.ts"
import { Mistake } from "../parts/pieces.ts"
import { say } from "../say.ts"
import { shownText } from "../setting-text.ts"
import type { ConfigurationShape, SavedShape, SettingShape } from "../shapes.ts"
import { useStore } from "../store.ts"
import { ChangeTable, History } from "./history.ts"
import { SettingRow } from "./setting-row.ts"

export const Settings = () => {
  const { mistake, refresh, value: configuration } = usePolled<ConfigurationShape>("/api/v1/config", {}, 0)
  const drafts = useDrafts(configuration, refresh)
  const [wanted, setWanted] = useState("")
  const [isChangedOnly, setChangedOnly] = useState(false)
  const running = useStore(statusStore)?.generation
  // Changed elsewhere: by the file, the API, another page.
  useEffect(() => {
    if (running !== undefined && configuration !== undefined && running > configuration.generation) void refresh()
  }, [running, configuration, refresh])

  if (configuration === undefined) return html`<${Mistake} text=${mistake} /><p class="muted">Loading …</p>`
  const shown = Object.entries(configuration.settings).filter(
    ([name, setting]) =>
      drafts.texts[name] !== undefined ||
      (isWanted(name, setting, wanted) && (!isChangedOnly || setting.source !== "default"))
  )
  const sections = [...Map.groupBy(shown, ([, { section }]) => section)]
  return html`
    <section class="panel filters" aria-labelledby="find">
      <header>
        <h2 id="find">Settings</h2>
        <span class="muted grow">generation ${configuration.generation}${configuration.file !== null && html`, from <code>${configuration.file}</code>`}</span>
        <${Save} file=${configuration.file} onSaved=${refresh} />
      </header>
      <form role="search" onSubmit=${(event: SubmitEvent) => event.preventDefault()}>
        <label>Search<input type="search" value=${wanted} placeholder="cache" onInput=${(event: Event) => setWanted((event.currentTarget as HTMLInputElement).value)} /></label>
        <label class="check"><input type="checkbox" checked=${isChangedOnly} onChange=${() => setChangedOnly(!isChangedOnly)} />Only those that are not at their default</label>
      </form>
    </section>
    ${sections.length === 0 && html`<p class="muted">No setting matches.</p>`}
    ${sections.map(
      ([title, settings]) => html`<section key=${title} class="panel settings" aria-label=${title}>
        <header><h2>${title}</h2></header>
        ${settings.map(
          ([name, setting]) => html`<${SettingRow}
            key=${name}
            name=${name}
            setting=${setting}
            draft=${drafts.texts[name]}
            mistake=${drafts.mistakes.find(({ path }) => path === name)}
            onChange=${(draft: string | null | undefined) => drafts.change(name, draft)}
          />`
        )}
      </section>`
    )}
    <${History} generation=${configuration.generation} onRolledBack=${refresh} />
    <${Changes} drafts=${drafts} names=${Object.keys(configuration.settings)} />
  `
}

const isWanted = (name: string, setting: SettingShape, wanted: string): boolean => {
  const text = `${name} ${setting.section} ${setting.meaning} ${shownText(setting)}`.toLowerCase()
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}

const Save = ({ file, onSaved }: { readonly file: string | null; readonly onSaved: () => Promise<void> }) => {
  const save = async (): Promise<void> => {
    const reply = await call<SavedShape>("POST", "/api/v1/config/save")
    if (!reply.ok) say(reply.message, true)
    else say(savedText(reply.value), reply.value.skipped.length > 0)
    await onSaved()
  }
  return file === null
    ? html`<span class="muted">Started without a file: changes last until it ends.</span>`
    : html`<button type="button" onClick=${save}>Save changes to the file</button>`
}

const savedText = ({ file, saved, skipped }: SavedShape): string => {
  const left = skipped.length === 0 ? "" : ` Not saved, for the environment sets it: ${skipped.join(", ")}.`
  if (saved.length > 0) return `${formatNumberOf(saved.length, "setting")} saved to ${file}.${left}`
  return skipped.length === 0 ? "There is nothing to save: the file says the same." : left.trim()
}

/** What is written and not made yet, at the foot of the page. */
const Changes = ({ drafts, names }: { readonly drafts: Drafts; readonly names: ReadonlyArray<string> }) => {
  const { isUnderWay, mistakes, texts, tried } = drafts
  const count = Object.keys(texts).length
  if (count === 0) return null
  const others = mistakes.filter(({ path }) => !names.includes(path))
  return html`<section class="changes" aria-label="Changes that are not made yet">
    ${others.map(({ expected, path, value }) => html`<p key=${path} class="mistake" role="alert"><code>${path}</code>${value !== null && html` <code>${value}</code>`}: expected ${expected}</p>`)}
    ${
      tried !== undefined &&
      (tried.changed.length === 0
        ? html`<p>Nothing would change: these are the values that hold.</p>`
        : html`<div class="tried"><p>This would change${tried.touches.length > 0 && html`, and touch <b>${tried.touches.join(", ")}</b>`}:</p><${ChangeTable} changes=${tried.changed} /></div>`)
    }
    <div class="actions">
      <b class="grow">${formatNumberOf(count, "change")}${mistakes.length > 0 && html`, <span class="alarm">${formatNumberOf(mistakes.length, "mistake")}</span>`}</b>
      <button type="button" disabled=${isUnderWay} onClick=${drafts.try}>Try (dry run)</button>
      <button type="button" class="primary" disabled=${isUnderWay} onClick=${drafts.apply}>Apply</button>
      <button type="button" class="plain" onClick=${drafts.discard}>Discard</button>
    </div>
  </section>`
}
