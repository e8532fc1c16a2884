/**
 * YAML as a tree of texts, lists and maps, each with its line and column.
 *
 * Scalars stay as they are written: `1.10` is no number 1.1, and a mistake can be shown as its author sees it. What a
 * hostile text could make dear is bounded: its tokens, its depth, and what its aliases expand to.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type ParsedNode,
  parseDocument,
  type YAMLError
} from "yaml"
import type { Mistake } from "../mistakes.ts"

interface At {
  /** `4:12`: line and column, from 1. */
  readonly at: string
}

export type YamlText = At & { readonly kind: "text"; readonly text: string }
/** `key:` with nothing behind it, `~`, `null`. */
export type YamlNothing = At & { readonly kind: "nothing" }
export type YamlList = At & { readonly kind: "list"; readonly items: ReadonlyArray<YamlTree> }
export type YamlMap = At & { readonly kind: "map"; readonly entries: ReadonlyArray<YamlEntry> }
export type YamlTree = YamlText | YamlNothing | YamlList | YamlMap

export interface YamlEntry {
  readonly key: string
  readonly keyAt: string
  readonly value: YamlTree
}

/** About four a line; a file of 4 MiB with an item a line has fewer. */
const MAX_TOKENS = 1_000_000
/** Settings need four. */
const MAX_DEPTH = 16
/** Texts, lists and maps, those counted anew that an alias repeats. */
const MAX_SIZE = 500_000
/** A text that is broken early is often broken all the way. */
const MAX_ERRORS = 20

/** What is wrong with the text itself: the tree is then undefined. */
export type YamlRead =
  | { readonly tree: YamlTree; readonly mistakes: ReadonlyArray<never> }
  | { readonly tree: undefined; readonly mistakes: ReadonlyArray<Mistake> }

/** @param file its name in the places of mistakes */
export const readYaml = (text: string, file: string): YamlRead => {
  const all = (wrong: ReadonlyArray<{ readonly at?: string; readonly expected: string }>): YamlRead => ({
    tree: undefined,
    mistakes: wrong.map(({ at, expected }) => ({
      place: at === undefined ? file : `${file}:${at}`,
      value: undefined,
      expected
    }))
  })
  if (hasMoreTokens(text, MAX_TOKENS))
    return all([{ expected: `a YAML file of at most ${MAX_TOKENS} words and signs` }])
  const lines = new LineCounter()
  // Whether keys are unique is looked at below: yaml compares each with each.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true, uniqueKeys: false })
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${Math.max(line, 1)}:${Math.max(col, 1)}`
  }
  // `yaml` only warns of an unknown tag, and takes its value as if it had none.
  const errors = [...document.errors, ...document.warnings]
  const [first] = errors
  if (first?.code === "RESOURCE_EXHAUSTION") return all([{ expected: tooDeep, at: at(first.pos[0]) }])
  if (first !== undefined) {
    return all(errors.slice(0, MAX_ERRORS).map((error) => ({ at: at(error.pos[0]), expected: expectedBy(error) })))
  }
  const builder = new Builder(at)
  const tree = builder.build(document.contents, 0)
  return builder.wrong.length === 0 ? { tree, mistakes: [] } : all(builder.wrong)
}

const tooDeep = `lists and maps at most ${MAX_DEPTH} deep`

const hasMoreTokens = (text: string, limit: number): boolean => {
  let tokens = 0
  for (const _ of new Lexer().lex(text)) if (++tokens > limit) return true
  return false
}

/** In words that hold nothing of the text, which may be secret. */
const expectedBy = ({ code }: YAMLError): string => {
  switch (code) {
    case "TAB_AS_INDENT":
      return "YAML indented by spaces, not by tabs"
    case "MULTIPLE_DOCS":
      return "one YAML document, not several with --- between them"
    case "BAD_ALIAS":
      return aliasExpected
    case "BLOCK_AS_IMPLICIT_KEY":
    case "MULTILINE_IMPLICIT_KEY":
      return "name: value on a line of its own; a text with a colon and a space in it needs quotes"
    case "MISSING_CHAR":
      return "YAML: a quote, bracket or comma is missing before here"
    case "BAD_INDENT":
      return "YAML indented alike where it stands side by side, and deeper within [ ] or { }: is one of them not closed?"
    case "TAG_RESOLVE_FAILED":
      return "YAML without such a tag; a text that begins with ! needs quotes"
    case "UNEXPECTED_TOKEN":
      return "nothing behind a list or map in brackets; a text that begins with [ or { needs quotes"
    case "BAD_SCALAR_START":
      return "YAML: a text that begins with @ or ` needs quotes"
    default:
      return `YAML that can be read: ${code.toLowerCase().replace(/_/g, " ")}`
  }
}

const aliasExpected = "a YAML alias of an anchor that stands before it; a text that begins with * needs quotes"

class Builder {
  readonly wrong: Array<{ readonly at: string; readonly expected: string }> = []
  private isStopped = false
  /** What there would be without aliases. */
  private size = 0
  private readonly anchors = new Map<string, { readonly tree: YamlTree; readonly size: number }>()
  private readonly at: (offset: number) => string

  constructor(at: (offset: number) => string) {
    this.at = at
  }

  build(node: unknown, depth: number): YamlTree {
    const at = this.at((node as ParsedNode | null)?.range?.[0] ?? 0)
    if (this.isStopped) return { kind: "nothing", at }
    if (depth > MAX_DEPTH) return this.stop(at, tooDeep)
    const before = this.size++
    if (this.size > MAX_SIZE) return this.stop(at, `at most ${MAX_SIZE} values, those counted that aliases repeat`)
    if (isAlias(node)) {
      const target = this.anchors.get(node.source)
      if (target === undefined) return this.stop(at, aliasExpected)
      this.size += target.size
      return target.tree
    }
    const tree = this.buildAt(node, at, depth)
    const anchor = isScalar(node) || isSeq(node) || isMap(node) ? node.anchor : undefined
    if (anchor !== undefined) this.anchors.set(anchor, { tree, size: this.size - before })
    return tree
  }

  private buildAt(node: unknown, at: string, depth: number): YamlTree {
    if (isScalar(node)) return node.value === null ? { kind: "nothing", at } : { kind: "text", at, text: textOf(node) }
    if (isSeq(node)) return { kind: "list", at, items: node.items.map((item) => this.build(item, depth + 1)) }
    return isMap(node) ? this.buildMap(node.items, at, depth) : { kind: "nothing", at }
  }

  private buildMap(
    pairs: ReadonlyArray<{ readonly key: unknown; readonly value: unknown }>,
    at: string,
    depth: number
  ): YamlTree {
    const entries = new Map<string, YamlEntry>()
    const merged = new Map<string, YamlEntry>()
    for (const { key, value } of pairs) {
      const written = this.build(key, depth + 1)
      const keyAt = written.at
      if (this.isStopped) break
      if (written.kind !== "text") {
        this.say(keyAt, "a name before the colon")
        continue
      }
      const made = value === null ? ({ kind: "nothing", at: keyAt } as const) : this.build(value, depth + 1)
      if (isScalar(key) && key.type === "PLAIN" && written.text === "<<") {
        for (const entry of sourcesOf(made)) if (!merged.has(entry.key)) merged.set(entry.key, entry)
        continue
      }
      const before = entries.get(written.text)
      if (before !== undefined) {
        const named = /^[a-z][\w-]{0,60}$/i.test(written.text) ? `${written.text} once` : "each name once"
        this.say(keyAt, `${named}: it stands at ${before.keyAt} already`)
        continue
      }
      entries.set(written.text, { key: written.text, keyAt, value: made })
    }
    for (const [key, entry] of merged) if (!entries.has(key)) entries.set(key, entry)
    return { kind: "map", at, entries: [...entries.values()] }
  }

  private stop(at: string, expected: string): YamlNothing {
    this.say(at, expected)
    this.isStopped = true
    return { kind: "nothing", at }
  }

  private say(at: string, expected: string): void {
    if (this.wrong.length < MAX_ERRORS) this.wrong.push({ at, expected })
  }
}

/** As it is written, where that is all there is to a plain scalar. */
const textOf = (scalar: { readonly value: unknown; readonly type?: unknown; readonly source?: string }): string =>
  scalar.type === "PLAIN" ? (scalar.source ?? String(scalar.value)) : String(scalar.value)

/** What a merge key takes over: of a map, or of several, the first winning. */
const sourcesOf = (value: YamlTree): ReadonlyArray<YamlEntry> =>
  value.kind === "map"
    ? value.entries
    : value.kind === "list"
      ? value.items.flatMap((item) => (item.kind === "map" ? item.entries : []))
      : []
