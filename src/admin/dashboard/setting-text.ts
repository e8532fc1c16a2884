/** Values of settings as text that people edit, and back. */
import type { SettingShape } from "./shapes.ts"

/** What the server writes in the place of what is secret, or too long to show. */
const HIDDEN = "…"

export const shownText = ({ value }: SettingShape): string =>
  value === null ? "" : typeof value === "string" ? value : value.join(", ")

export const isHidden = (setting: SettingShape): boolean => shownText(setting).includes(HIDDEN)

/** What the field begins with: of a list, each item in a line. */
export const editedText = (setting: SettingShape): string => {
  const { kind, value } = setting
  if (value === null || isHidden(setting)) return ""
  if (kind !== "list") return shownText(setting)
  return (typeof value === "string" ? value.split(/\s*,\s*/) : value).join("\n")
}

/** What is sent for what stands in the field. */
export const givenValue = ({ kind }: SettingShape, text: string): string | ReadonlyArray<string> =>
  kind === "list"
    ? text
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "")
    : text.trim()
