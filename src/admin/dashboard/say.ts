/** What was done, said once: shown for a while, and read out by a screen reader. */
import { makeStore } from "./store.ts"

export interface Said {
  readonly text: string
  readonly isMistake: boolean
}

const SHOWN_MS = 8_000

export const said = makeStore<Said | undefined>(undefined)

let timer = 0

export const say = (text: string, isMistake = false): void => {
  clearTimeout(timer)
  said.set({ text, isMistake })
  if (!isMistake) timer = window.setTimeout(() => said.set(undefined), SHOWN_MS)
}
