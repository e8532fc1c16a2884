/** Settings that a program gives: texts and lists of texts, and the lists and maps that a file may have. */
import type { Mistake } from "../mistakes.ts"
import { fileKey, type SettingName } from "../schema/settings.ts"
import type { Overrides } from "./gather.ts"
import { WrittenValues } from "./written-values.ts"
import type { YamlTree } from "./yaml-tree.ts"

/**
 * A setting's value as a program gives it: as in JSON.
 *
 * **When to use**
 *
 * Use as a value of `GivenSettings`.
 */
export type GivenValue = string | number | boolean | null | ReadonlyArray<GivenValue> | GivenMap

/**
 * A map in a setting's value, such as a rule or an upstream.
 *
 * **When to use**
 *
 * Use as a part of `GivenValue`.
 */
export interface GivenMap {
  readonly [key: string]: GivenValue
}

const isList = (value: GivenValue): value is ReadonlyArray<GivenValue> => Array.isArray(value)

/** A program has no lines and columns: the names on the way say where something stands. */
const at = ""

const treeOf = (value: GivenValue): YamlTree => {
  if (value === null) return { kind: "nothing", at }
  if (typeof value !== "object") return { kind: "text", at, text: String(value) }
  if (isList(value)) return { kind: "list", at, items: value.map(treeOf) }
  const entries = Object.entries(value).map(([key, inner]) => ({ key, keyAt: at, value: treeOf(inner) }))
  return { kind: "map", at, entries }
}

/** The texts that would stand in a file, undefined where there are none; and what is wrong. */
export const textsOf = (
  name: SettingName,
  value: GivenValue
): { readonly texts: ReturnType<Overrides["get"]>; readonly mistakes: ReadonlyArray<Mistake> } => {
  const values = new WrittenValues((_, path) => path)
  const items = values.itemsOf(name, fileKey(name), treeOf(value))
  return { texts: items?.map(({ text }) => text), mistakes: values.mistakes }
}
