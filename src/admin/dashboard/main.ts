/** The dashboard: what is around the views, and which of them is shown. */
import { render } from "preact"
import { useLayoutEffect, useRef } from "preact/hooks"
import { access, connection } from "./api.ts"
import { html } from "./html.ts"
import { beginPolling, status as statusStore } from "./live.ts"
import { linkTo, route, type ViewName, views } from "./route.ts"
import { said } from "./say.ts"
import { useStore } from "./store.ts"
import { darkness, toggleTheme } from "./theme.ts"
import { Cache } from "./views/cache.ts"
import { Explain } from "./views/explain.ts"
import { Overview } from "./views/overview.ts"
import { Queries } from "./views/queries.ts"
import { Server } from "./views/server.ts"
import { Settings } from "./views/settings.ts"
import { TokenForm } from "./views/token-form.ts"
import { Upstreams } from "./views/upstreams.ts"

const shown: Readonly<Record<ViewName, { readonly title: string; readonly view: () => unknown }>> = {
  overview: { title: "Overview", view: Overview },
  queries: { title: "Queries", view: Queries },
  upstreams: { title: "Upstreams", view: Upstreams },
  cache: { title: "Cache", view: Cache },
  explain: { title: "Explain", view: Explain },
  settings: { title: "Settings", view: Settings },
  server: { title: "Server", view: Server }
}

const Page = () => {
  const { view } = useStore(route)
  const may = useStore(access)
  const heading = useRef<HTMLHeadingElement>(null)
  const isFirst = useRef(true)
  const { title, view: View } = shown[view]
  // Whoever goes to another view by keyboard goes on from its beginning: before a key can reach a field of the view.
  useLayoutEffect(() => {
    document.title = `${title} – Strand`
    if (!isFirst.current) {
      window.scrollTo(0, 0)
      heading.current?.focus({ preventScroll: true })
    }
    isFirst.current = false
  }, [title])
  return html`
    <a class="skip" href="#main" onClick=${(event: Event) => {
      event.preventDefault()
      heading.current?.focus()
    }}>To the content</a>
    <header class="top">
      <div class="bar">
        <a class="brand" href=${linkTo("overview")}>Strand</a>
        <${State} />
        <${Theme} />
      </div>
      <nav aria-label="Views">
        ${views.map(
          (name) =>
            html`<a key=${name} href=${linkTo(name)} aria-current=${name === view ? "page" : undefined}>${shown[name].title}</a>`
        )}
      </nav>
    </header>
    <main id="main">
      <h1 tabindex="-1" ref=${heading}>${title}</h1>
      <${Lost} />
      ${may === "open" ? html`<${View} key=${view} />` : may !== "not known" && html`<${TokenForm} />`}
    </main>
    <${Said} />
  `
}

/** Whether the server is there and ready, in a word. */
const State = () => {
  const status = useStore(statusStore)
  const how = useStore(connection)
  const [color, text] =
    how === "lost"
      ? ["failure", "no answer"]
      : status === undefined
        ? ["other", "connecting"]
        : status.isDraining
          ? ["stale", "draining"]
          : !status.isReady
            ? ["stale", "not ready"]
            : how === "busy"
              ? ["stale", "busy: names come first"]
              : ["hit", "ready"]
  return html`<span class="state"><i class=${`swatch is-${color}`}></i>${text}</span>`
}

const Theme = () => {
  const isDark = useStore(darkness)
  return html`<button type="button" class="plain theme" onClick=${toggleTheme}>${isDark ? "Light" : "Dark"}</button>`
}

const Lost = () =>
  useStore(connection) === "lost"
    ? html`<p class="lost" role="alert">The server does not answer. What is shown is what it said last; it is asked again every second.</p>`
    : null

const Said = () => {
  const what = useStore(said)
  return html`<div class="said" role="status">
    ${
      what !== undefined &&
      html`<p class=${what.isMistake ? "is-mistake" : ""}>${what.text} <button type="button" class="plain" onClick=${() => said.set(undefined)}>Close</button></p>`
    }
  </div>`
}

render(html`<${Page} />`, document.querySelector("#page")!)
void beginPolling()
