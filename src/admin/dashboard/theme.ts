/** Light or dark: as the system has it, unless somebody chose. */
import { makeStore } from "./store.ts"

const KEY = "strand-theme"
const isDarkBySystem = matchMedia("(prefers-color-scheme: dark)")
const kept = localStorage.getItem(KEY)

const isDark = (): boolean => {
  const chosen = document.documentElement.dataset["theme"]
  return chosen === undefined ? isDarkBySystem.matches : chosen === "dark"
}

if (kept === "dark" || kept === "light") document.documentElement.dataset["theme"] = kept

/** Whether it is dark now: charts are drawn anew when it changes. */
export const darkness = makeStore(isDark())

isDarkBySystem.addEventListener("change", () => darkness.set(isDark()))

export const toggleTheme = (): void => {
  const chosen = isDark() ? "light" : "dark"
  document.documentElement.dataset["theme"] = chosen
  localStorage.setItem(KEY, chosen)
  darkness.set(isDark())
}

/** A colour of the style sheet, for what is drawn on a canvas. */
export const colorOf = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
