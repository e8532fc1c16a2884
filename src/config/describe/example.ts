/**
 * A file of all settings, each commented out, with its meaning, its limits and its default.
 *
 * What is said begins with `# `; a setting with `#` alone, so that it holds once that is taken away.
 */
import { packageFile } from "../../runtime/entry-points.ts"
import { groupMap } from "../maps/group-map.ts"
import { itemMaps } from "../maps/setting-maps.ts"
import { fileKey, type SettingName, sections, settingInfo } from "../schema/settings.ts"
import { shapeOf } from "../schema/shape.ts"
import { exampleValues } from "./example-values.ts"
import { standardVariable, textOf, textOfKey } from "./limits.ts"

/** The schema as it is shipped, beside `dist` and `src`. */
export const SCHEMA_URL = packageFile("docs/strand.schema.json")

const WIDTH = 118

export const example = (): string => {
  const head = [
    `# yaml-language-server: $schema=${SCHEMA_URL.href}`,
    "#",
    ...said("All settings of Strand, commented out, each with its meaning, its limits and its default."),
    ...said("A setting begins with # and no space behind: take that away, on all its lines, to set it."),
    ...said(
      "In the environment max_queued_queries is DNS_SERVER_MAX_QUEUED_QUERIES, and wins. `strand check -c FILE` says what is wrong in a file."
    )
  ]
  const body = sections.flatMap(({ title, settings }) => [
    "",
    "",
    `# ──── ${title} ────`,
    ...Object.keys(settings).flatMap((name) => ["", ...lines(name as SettingName)])
  ])
  return [...head, ...body].join("\n")
}

const lines = (name: SettingName): ReadonlyArray<string> => {
  const variable = standardVariable(name)
  const value = exampleValues[name] ?? defaultValue(name)
  return [
    ...said(textOf(name)),
    ...(variable === undefined ? [] : said(`In the environment: ${variable}.`)),
    ...keysOf(name),
    ...`${fileKey(name)}:${value.startsWith("\n") ? "" : " "}${value}`.split("\n").map((line) => `#${line}`)
  ]
}

/** The keys of the map that a value may be. */
const keysOf = (name: SettingName): ReadonlyArray<string> => {
  const map = name === "groups" ? groupMap : itemMaps[name]?.schema
  const shape = map === undefined ? undefined : shapeOf(map)
  if (shape?.kind !== "map") return []
  const keys = Object.entries(shape.fields).flatMap(([key, field]) => said(`- ${textOfKey(key, field)}`))
  return [...said(name === "groups" ? "By their names, each with:" : "Each may be a map of:"), ...keys]
}

const defaultValue = (name: SettingName): string => {
  const { default: text = "", isList } = settingInfo[name]
  return isList === true ? `[${text.split(",").map(plain).join(", ")}]` : text
}

/** What has a colon at an end of it, as `::1/128`, is a text only in quotes. */
const plain = (text: string): string => (/^:|:$|: |::/.test(text) ? JSON.stringify(text) : text)

/** In lines of a comment. */
const said = (text: string): ReadonlyArray<string> => {
  const all: Array<string> = []
  let line = "#"
  for (const word of text.split(" ")) {
    if (line.length + word.length + 1 > WIDTH && line !== "#") {
      all.push(line)
      line = "#"
    }
    line += ` ${word}`
  }
  return [...all, line]
}
