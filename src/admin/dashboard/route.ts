/** The view that is shown, and its filters, as they stand in the address: each can be linked to, and gone back to. */
import { type Parameters, pathWith } from "./api.ts"
import { makeStore } from "./store.ts"

export const views = ["overview", "queries", "upstreams", "cache", "explain", "settings", "server"] as const
export type ViewName = (typeof views)[number]

export interface Route {
  readonly view: ViewName
  readonly parameters: Readonly<Record<string, string>>
}

const read = (): Route => {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?", 2)
  const view = views.find((name) => name === path) ?? "overview"
  return { view, parameters: Object.fromEntries(new URLSearchParams(search ?? "")) }
}

export const route = makeStore<Route>(read())

window.addEventListener("hashchange", () => route.set(read()))

export const linkTo = (view: ViewName, parameters: Parameters = {}): string => pathWith(`#/${view}`, parameters)

/**
 * The view with other parameters, in the place of the entry that the browser keeps. Nothing where the address is that of
 * another view by now: what a view does late, as a dialog that closes, takes nobody back to it.
 */
export const replaceParameters = (view: ViewName, parameters: Parameters): void => {
  if (read().view !== view) return
  history.replaceState(null, "", linkTo(view, parameters))
  route.set(read())
}

export const go = (view: ViewName, parameters: Parameters = {}): void => {
  location.hash = linkTo(view, parameters)
}
