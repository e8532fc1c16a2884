/** Changes of settings that are written and not yet made, what a dry run said of them, and making them. */
import { useState } from "preact/hooks"
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

  const send = async (isDryRun: boolean): Promise<ChangedShape | undefined> => {
    if (configuration === undefined) return undefined
    const { generation, settings } = configuration
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
      setTexts(draft === undefined ? others : { ...others, [name]: draft })
      setMistakes(mistakes.filter(({ path }) => path !== name))
      setTried(undefined)
    },
    discard: () => {
      setTexts({})
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
      setTried(undefined)
      await refresh()
    }
  }
}

const mistakesOf = (reply: Reply<unknown>): MistakesShape["mistakes"] =>
  !reply.ok && reply.status === 422 && typeof reply.body === "object" && reply.body !== null && "mistakes" in reply.body
    ? (reply.body as MistakesShape).mistakes
    : []
