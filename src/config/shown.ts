/** Values of settings as people may see them: short, in one line, without what is secret. */

import { shownWords } from "./codec/secrets.ts"
import { type SettingName, settingInfo } from "./schema/settings.ts"

/** Characters that are shown of a value at most. */
const LONGEST = 300

/** One value, or one of a list. */
export const shownItem = (name: SettingName, text: string): string =>
  printable((settingInfo[name].shown ?? shownWords)(text))

/** The same of one that is wrong. */
export const shownWrong = (name: SettingName, text: string): string => {
  const { shown = shownWords, shownWrong: wrong = shown } = settingInfo[name]
  return printable(wrong(text))
}

/** All of a setting. */
export const shown = (name: SettingName, value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "string" ? shownItem(name, value) : value?.map((item) => shownItem(name, item)).join(", ")

const printable = (text: string): string => {
  const line = text.replace(/\p{Cc}/gu, "�")
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line
}
