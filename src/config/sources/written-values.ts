/**
 * The value of one setting, with lists and maps in it, brought into texts. What is wrong with an item is a mistake at its
 * place; the others are read all the same.
 */
import { Exit, Schema } from "effect"
import { LABEL, LABEL_EXPECTED } from "../codec/weighted-upstream.ts"
import { splitList } from "../codec/words.ts"
import { groupUnder, itemMaps, type SettingMap } from "../maps/setting-maps.ts"
import { SECRET_KEYS } from "../maps/upstream-map.ts"
import type { Mistake } from "../mistakes.ts"
import { type SettingName, settingInfo } from "../schema/settings.ts"
import { shownItem, shownWrong } from "../shown.ts"
import { kindOf, mapMistakes, plain } from "./map-mistakes.ts"
import type { YamlEntry, YamlTree } from "./yaml-tree.ts"

/** A text, and where it stands. */
export interface Item {
  readonly text: string
  readonly place: string
}

export class WrittenValues {
  readonly mistakes: Array<Mistake> = []
  /** What a mistake calls the place, by its line and column and the names on the way to it. */
  readonly place: (at: string, path: string) => string

  constructor(place: (at: string, path: string) => string) {
    this.place = place
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
      const map = itemMaps[name]
      if (map !== undefined) return this.mapped(name, key, item, map, item.at)
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

  private group(key: string, { key: name, keyAt, value }: YamlEntry): ReadonlyArray<Item> {
    const path = `${key}.${name}`
    if (!LABEL.test(name)) {
      this.say(keyAt, path, LABEL_EXPECTED)
      return []
    }
    if (value.kind === "text") return [{ text: `${name}=${value.text}`, place: this.place(keyAt, path) }]
    return this.mapped("groups", path, value, groupUnder(name), keyAt)
  }

  /** The texts that say what a map does. */
  private mapped(name: SettingName, key: string, tree: YamlTree, map: SettingMap, at: string): ReadonlyArray<Item> {
    const exit = Schema.decodeUnknownExit(map.schema)(plain(tree), { errors: "all", onExcessProperty: "error" })
    if (Exit.isSuccess(exit)) return map.textsOf(exit.value).map((text) => ({ text, place: this.place(at, key) }))
    for (const reason of exit.cause.reasons) {
      if (reason._tag !== "Fail") continue
      for (const { at: where, keys, expected, text } of mapMistakes(reason.error.issue, tree)) {
        const isSecret = SECRET_KEYS.has(keys.at(-1) ?? "")
        const value = text === undefined || isSecret ? undefined : shownWrong(name, text)
        this.say(where, [key, ...keys].join("."), expected, value)
      }
    }
    return []
  }
}
