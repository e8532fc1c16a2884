/** Changes of settings that are written and not yet made, what a dry run said of them, and making them. */
import { useEffect, useState } from "preact/hooks"
import { call, type Reply } from "./api.ts"
import { formatNumberOf } from "./format.ts"
import { say } from "./say.ts"
import { givenValue } from "./setting-text.ts"
import type { ChangedShape, ConfigurationShape, MistakesShape } from "./shapes.ts"

/** The text in a setting's field; null gives it back. */
export type Draft = string | null

export interface Drafts {
  readonly texts: Readonly<Record<string, Draft>>
  readonly mistakes: MistakesShape["mistakes"]
  /** What would change, as the dry run of these very drafts said. */
  readonly tried: ChangedShape | undefined
  readonly isUnderWay: boolean
  readonly change: (name: string, draft: Draft | undefined) => void
  readonly discard: () => void
  readonly try: () => Promise<void>
  readonly apply: () => Promise<void>
}

export const useDrafts = (configuration: ConfigurationShape | undefined, refresh: () => Promise<void>): Drafts => {
  const [texts, setTexts] = useState<Readonly<Record<string, Draft>>>({})
  const [mistakes, setMistakes] = useState<MistakesShape["mistakes"]>([])
  const [tried, setTried] = useState<ChangedShape | undefined>(undefined)
  const [isUnderWay, setUnderWay] = useState(false)
  /** The configuration that was looked at when the first of them was written: what has changed since then is not undone. */
  const [since, setSince] = useState<number | undefined>(undefined)
  // What a dry run said was said of another configuration.
  useEffect(() => setTried(undefined), [configuration?.generation])

  const send = async (isDryRun: boolean): Promise<ChangedShape | undefined> => {
    if (configuration === undefined) return undefined
    const { settings } = configuration
    const generation = since ?? configuration.generation
    const body = Object.fromEntries(
      Object.entries(texts).map(([name, text]) => [name, text === null ? null : givenValue(settings[name]!, text)])
    )
    setUnderWay(true)
    const query = isDryRun ? { dry_run: true } : {}
    const reply = await call<ChangedShape>("PATCH", "/api/v1/config", { body, generation, query })
    setUnderWay(false)
    setMistakes(mistakesOf(reply))
    if (reply.ok) return reply.value
    if (reply.status === 412) {
      await refresh()
      setSince(undefined)
      say(
        "Somebody else has changed settings meanwhile. They are loaded anew; look at yours and apply them again.",
        true
      )
    } else if (reply.status === 422) say("Nothing has changed: there are mistakes.", true)
    else say(`Nothing has changed: ${reply.message}`, true)
    return undefined
  }
  return {
    texts,
    mistakes,
    tried,
    isUnderWay,
    change: (name, draft) => {
      const { [name]: _, ...others } = texts
      if (Object.keys(texts).length === 0) setSince(configuration?.generation)
      setTexts(draft === undefined ? others : { ...others, [name]: draft })
      setMistakes(mistakes.filter(({ path }) => path !== name))
      setTried(undefined)
    },
    discard: () => {
      setTexts({})
      setSince(undefined)
      setMistakes([])
      setTried(undefined)
    },
    try: async () => {
      const changed = await send(true)
      setTried(changed)
    },
    apply: async () => {
      const changed = await send(false)
      if (changed === undefined) return
      say(`${formatNumberOf(changed.changed.length, "setting")} changed: generation ${changed.generation}.`)
      setTexts({})
      setSince(undefined)
      setTried(undefined)
      await refresh()
    }
  }
}

const mistakesOf = (reply: Reply<unknown>): MistakesShape["mistakes"] =>
  !reply.ok && reply.status === 422 && typeof reply.body === "object" && reply.body !== null && "mistakes" in reply.body
    ? (reply.body as MistakesShape).mistakes
    : []
