/**
 * The value of one setting in a file, brought into texts. What is wrong with an item is a mistake at its place; the
 * others are read all the same.
 */
import { Result } from "effect"
import { CONDITION_KEYS } from "./conditions.ts"
import { localAnswerTexts } from "./local-answers.ts"
import type { Mistake } from "./mistakes.ts"
import { meaning } from "./nearest.ts"
import { readWeightedUpstream } from "./routes.ts"
import { type SettingName, settingInfo } from "./schema.ts"
import { shownItem } from "./shown.ts"
import { splitList } from "./words.ts"
import type { YamlEntry, YamlTree } from "./yaml-tree.ts"

/** A text, and where it stands. */
export interface Item {
  readonly text: string
  readonly place: string
}

export class FileValues {
  readonly mistakes: Array<Mistake> = []
  private readonly file: string

  /** @param file its name in places */
  constructor(file: string) {
    this.file = file
  }

  place(at: string, path: string): string {
    return `${this.file}:${at}: ${path}`
  }

  say(at: string, path: string, expected: string, value?: string): void {
    this.mistakes.push({ place: this.place(at, path), value, expected })
  }

  /** The texts of a setting, one unless it is a list; undefined where the default stays. */
  itemsOf(name: SettingName, key: string, value: YamlTree): ReadonlyArray<Item> | undefined {
    if (value.kind === "nothing") return undefined
    if (settingInfo[name].isList !== true) return this.single(name, key, value)
    if (name === "groups" && value.kind === "map") {
      return value.entries.flatMap((entry) => this.group(key, entry))
    }
    return this.listed(key, value, (item) => {
      if (item.kind === "text") return [{ text: item.text.trim(), place: this.place(item.at, key) }]
      if (name === "upstreams") return this.upstream(key, item)
      if (name === "rules") return this.rule(key, item)
      if (name === "localAnswers") return this.localAnswer(key, item)
      const forms =
        name === "groups" ? "groups by their names (name: { upstreams: […] }), or texts (name=upstream …)" : "a text"
      this.say(item.at, key, `${forms}, not ${kindOf(item)}`)
      return []
    })
  }

  private single(name: SettingName, key: string, value: YamlTree): ReadonlyArray<Item> | undefined {
    const [only, ...others] = value.kind === "list" ? value.items : [value]
    if (only?.kind === "text" && value.kind === "text") return [{ text: only.text, place: this.place(only.at, key) }]
    const hint = only?.kind === "text" && others.length === 0 ? `: did you mean ${shownItem(name, only.text)}?` : ""
    this.say(value.at, key, `one value, not ${kindOf(value)}${hint}`)
    return undefined
  }

  /** A list, one text with commas, or one item alone. */
  private listed(key: string, value: YamlTree, read: (item: YamlTree) => ReadonlyArray<Item>): ReadonlyArray<Item> {
    if (value.kind === "text") {
      return splitList(value.text).flatMap((text) => read({ kind: "text", at: value.at, text }))
    }
    if (value.kind !== "list") return read(value)
    return value.items.flatMap((item) => {
      if (item.kind !== "nothing" && !(item.kind === "text" && item.text.trim() === "")) return read(item)
      this.say(item.at, key, "something behind the -, or no such line")
      return []
    })
  }

  private upstream(key: string, item: YamlTree): ReadonlyArray<Item> {
    const before = this.mistakes.length
    const fields = this.fields(key, item, ["address", "weight", "place"])
    if (fields === undefined) return []
    const address = this.text(key, fields, "address")
    const weight = this.text(key, fields, "weight")
    const place = this.text(key, fields, "place")
    if (address === undefined) {
      if (this.mistakes.length === before) this.say(item.at, key, "an address: in { address: 192.0.2.1, weight: 3 }")
      return []
    }
    const text = `${address}${weight === undefined ? "" : `*${weight}`}${place === undefined ? "" : `@${place}`}`
    return [{ text, place: this.place(item.at, key) }]
  }

  private group(key: string, { key: name, keyAt, value }: YamlEntry): ReadonlyArray<Item> {
    const path = `${key}.${name}`
    const place = this.place(keyAt, path)
    if (value.kind === "text") return [{ text: `${name}=${value.text}`, place }]
    const before = this.mistakes.length
    const fields = this.fields(path, value, ["upstreams", "policy"])
    if (fields === undefined) return []
    const written = fields.get("upstreams")
    const upstreams =
      written === undefined || written.kind === "nothing"
        ? []
        : this.listed(`${path}.upstreams`, written, (item) =>
            item.kind === "text"
              ? [{ text: item.text.trim(), place: this.place(item.at, `${path}.upstreams`) }]
              : this.upstream(`${path}.upstreams`, item)
          )
    const good = upstreams.filter((upstream) => this.isUpstream(upstream))
    const policy = this.text(path, fields, "policy")
    if (good.length === 0) {
      if (this.mistakes.length === before) this.say(value.at, path, "upstreams: at least one")
      return []
    }
    const texts = good.map(({ text }) => text).join(" ")
    return [{ text: `${name}=${texts}${policy === undefined ? "" : ` policy=${policy}`}`, place }]
  }

  /** Said of the upstream itself, not of all its group. */
  private isUpstream({ text, place }: Item): boolean {
    const read = readWeightedUpstream(text)
    if (Result.isSuccess(read) && !/\s/.test(text)) return true
    const expected = Result.isFailure(read) ? read.failure : "an upstream without spaces"
    this.mistakes.push({ place, value: shownItem("upstreams", text), expected })
    return false
  }

  private rule(key: string, item: YamlTree): ReadonlyArray<Item> {
    const before = this.mistakes.length
    const fields = this.fields(key, item, ["suffix", "except", ...CONDITION_KEYS, "group", "ecs"])
    if (fields === undefined) return []
    const words = [this.text(key, fields, "suffix") ?? ""]
    for (const name of this.texts(key, fields, "except")) words.push(`!${name}`)
    for (const kind of CONDITION_KEYS) {
      const values = this.texts(key, fields, kind)
      if (values.length > 0) words.push(`${kind}:${values.join("|")}`)
    }
    const ecs = this.text(key, fields, "ecs")?.toLowerCase() ?? "false"
    const group = this.text(key, fields, "group")
    if (this.mistakes.length > before) return []
    if (group === undefined) {
      this.say(item.at, key, "a group: which upstreams its queries go to")
      return []
    }
    words.push("->", group, ecs === "false" ? "" : ecs === "true" ? "ecs" : `ecs=${ecs}`)
    return [{ text: words.filter((word) => word !== "").join(" "), place: this.place(item.at, key) }]
  }

  private localAnswer(key: string, item: YamlTree): ReadonlyArray<Item> {
    const place = this.place(item.at, key)
    const texts = localAnswerTexts(plain(item))
    if (texts !== undefined) return texts.map((text) => ({ text, place }))
    this.mistakes.push({
      place,
      value: undefined,
      expected: "a text, or a map of name, ttl, type, data, and client, country or continent"
    })
    return []
  }

  /** What a map has; undefined where it is none. A name that it should not have is a mistake, and left out. */
  private fields(key: string, item: YamlTree, names: ReadonlyArray<string>): Map<string, YamlTree> | undefined {
    if (item.kind !== "map") {
      this.say(item.at, key, `a text, or a map of ${names.join(", ")}, not ${kindOf(item)}`)
      return undefined
    }
    const fields = new Map<string, YamlTree>()
    for (const entry of item.entries) {
      if (names.includes(entry.key)) fields.set(entry.key, entry.value)
      else this.say(entry.keyAt, `${key}.${entry.key}`, `one of ${names.join(", ")}${meaning(entry.key, names)}`)
    }
    return fields
  }

  private text(key: string, fields: ReadonlyMap<string, YamlTree>, name: string): string | undefined {
    const value = fields.get(name)
    if (value === undefined || value.kind === "nothing") return undefined
    if (value.kind === "text") return value.text.trim()
    this.say(value.at, `${key}.${name}`, `one value, not ${kindOf(value)}`)
    return undefined
  }

  private texts(key: string, fields: ReadonlyMap<string, YamlTree>, name: string): ReadonlyArray<string> {
    const value = fields.get(name)
    if (value === undefined || value.kind === "nothing") return []
    return this.listed(`${key}.${name}`, value, (item) => {
      if (item.kind === "text") return [{ text: item.text.trim(), place: "" }]
      this.say(item.at, `${key}.${name}`, `a text, not ${kindOf(item)}`)
      return []
    }).map(({ text }) => text)
  }
}

export const kindOf = ({ kind }: YamlTree): string => (kind === "nothing" ? "nothing" : `a ${kind}`)

/** As JavaScript has it. */
const plain = (tree: YamlTree): unknown => {
  switch (tree.kind) {
    case "text":
      return tree.text
    case "nothing":
      return undefined
    case "list":
      return tree.items.map(plain)
    case "map":
      return Object.fromEntries(tree.entries.map(({ key, value }) => [key, plain(value)]))
  }
}
