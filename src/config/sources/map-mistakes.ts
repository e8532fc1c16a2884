/** What is wrong in a map of a file, each thing at the line and column of its key or value. */
import type { SchemaAST, SchemaIssue } from "effect"
import { meaning, nearest } from "../codec/nearest.ts"
import type { YamlTree } from "./yaml-tree.ts"

export interface MapMistake {
  /** Line and column. */
  readonly at: string
  /** The keys on the way there. */
  readonly keys: ReadonlyArray<string>
  readonly expected: string
  /** What stands there, where that is a text. */
  readonly text: string | undefined
}

type Path = ReadonlyArray<PropertyKey>

interface Leaf {
  readonly path: Path
  readonly issue: SchemaIssue.Issue
}

const leavesOf = (issue: SchemaIssue.Issue, path: Path): ReadonlyArray<Leaf> => {
  switch (issue._tag) {
    case "Pointer":
      return leavesOf(issue.issue, [...path, ...issue.path])
    case "Filter":
    case "Encoding":
      return leavesOf(issue.issue, path)
    case "Composite":
      return issue.issues.flatMap((inner) => leavesOf(inner, path))
    default:
      return [{ path, issue }]
  }
}

export const mapMistakes = (issue: SchemaIssue.Issue, tree: YamlTree): ReadonlyArray<MapMistake> => {
  const leaves = leavesOf(issue, [])
  const meant = new Set(leaves.flatMap(meantBy))
  return leaves
    .filter(({ path, issue: leaf }) => leaf._tag !== "MissingKey" || !meant.has(pathKey(path)))
    .map(({ path, issue: leaf }) => mistakeOf(leaf, path, tree))
}

const pathKey = (path: Path): string => JSON.stringify(path)

/** The key that a misspelt one means: it is not missing besides. */
const meantBy = ({ path, issue }: Leaf): ReadonlyArray<string> => {
  const name = issue._tag === "UnexpectedKey" ? nearest(String(path.at(-1)), keysOf(issue.ast)) : undefined
  return name === undefined ? [] : [pathKey([...path.slice(0, -1), name])]
}

const mistakeOf = (issue: SchemaIssue.Issue, path: Path, tree: YamlTree): MapMistake => {
  const { node, keyAt, isThere } = follow(tree, path)
  const keys = path.filter((key) => typeof key === "string")
  switch (issue._tag) {
    case "UnexpectedKey": {
      const names = keysOf(issue.ast)
      return {
        at: keyAt,
        keys,
        expected: `one of ${names.join(", ")}${meaning(keys.at(-1) ?? "", names)}`,
        text: undefined
      }
    }
    case "MissingKey":
      return {
        at: node.at,
        keys: keys.slice(0, -1),
        expected: String(issue.annotations?.["messageMissingKey"]),
        text: undefined
      }
    case "InvalidType":
      return { at: node.at, keys, expected: `${typeExpected(issue.ast)}, not ${kindOf(node)}`, text: undefined }
    default: {
      const said = "annotations" in issue ? issue.annotations?.["expected"] : undefined
      const expected = typeof said === "string" ? said : "a value"
      return { at: node.at, keys, expected, text: isThere && node.kind === "text" ? node.text : undefined }
    }
  }
}

const keysOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Objects" ? ast.propertySignatures.map(({ name }) => String(name)) : []

const typeExpected = (ast: SchemaAST.AST): string => {
  if (ast._tag === "String") return "a text"
  return ast._tag === "Objects" ? `a text, or a map of ${keysOf(ast).join(", ")}` : "a value"
}

interface Followed {
  /** What the path leads to, or the last on the way that is there. */
  readonly node: YamlTree
  /** Where its key stands. */
  readonly keyAt: string
  readonly isThere: boolean
}

const follow = (tree: YamlTree, path: Path): Followed => {
  let node = tree
  let keyAt = tree.at
  for (const key of path) {
    if (node.kind === "map") {
      const entry = node.entries.find((candidate) => candidate.key === key)
      if (entry === undefined) return { node, keyAt, isThere: false }
      keyAt = entry.keyAt
      node = entry.value
    } else if (node.kind === "list") {
      const item = node.items[Number(key)]
      if (item === undefined) return { node, keyAt, isThere: false }
      node = item
      keyAt = item.at
    }
    // One item alone stands for a list of one, and a text for a list of what is between its commas.
  }
  return { node, keyAt, isThere: true }
}

export const kindOf = ({ kind }: YamlTree): string => (kind === "nothing" ? "nothing" : `a ${kind}`)

/** As JavaScript has it; what is empty is as if it were not there. */
export const plain = (tree: YamlTree): unknown => {
  switch (tree.kind) {
    case "text":
      return tree.text
    case "nothing":
      return undefined
    case "list":
      return tree.items.map(plain)
    case "map":
      return Object.fromEntries(
        tree.entries.flatMap(({ key, value }) => (value.kind === "nothing" ? [] : [[key, plain(value)] as const]))
      )
  }
}
