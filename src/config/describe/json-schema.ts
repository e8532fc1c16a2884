/**
 * The JSON Schema of the file, for editors: what each setting may be, as YAML has it.
 *
 * Made of the shapes that the settings' schemas and those of the maps are annotated with. It is looser than they are,
 * for what a text means is not looked at, and stricter in one thing: numbers, true and false stand without quotes.
 * Draft 7 is what YAML's language server knows best.
 */
import { JsonSchema, RegExp as RegExp_, Schema } from "effect"
import { LABEL } from "../codec/weighted-upstream.ts"
import { groupMap } from "../maps/group-map.ts"
import { itemMaps } from "../maps/setting-maps.ts"
import { fileKey, type SettingName, Settings, settingInfo, settingNames } from "../schema/settings.ts"
import { type FieldShape, type Shape, shapeOf } from "../schema/shape.ts"
import { textOf } from "./limits.ts"

type Described = Schema.Codec<unknown>

/** A scalar of any kind is a text, as it is written. */
const anyScalar = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])

const anyCase = (words: ReadonlyArray<string>): RegExp => {
  const letters = (word: string): string =>
    word.replace(/[a-z]/gi, (letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`)
  return new RegExp(`^(${words.map(letters).join("|")})$`, "u")
}

/** The alternatives of a shape; a map's keys, and an empty value is as if it were not there. */
const alternatives = (shape: Shape): ReadonlyArray<Described> => {
  switch (shape.kind) {
    case "number": {
      const { min: minimum, max: maximum, integer } = shape
      return [(integer === false ? Schema.Finite : Schema.Int).check(Schema.isBetween({ minimum, maximum }))]
    }
    case "truth":
      return [Schema.Boolean]
    case "word": {
      const words = Schema.Literals(shape.words)
      return shape.isAnyCase === true ? [words, Schema.String.check(Schema.isPattern(anyCase(shape.words)))] : [words]
    }
    case "text": {
      if (shape.pattern === undefined) return [anyScalar]
      // Without the flag Effect leaves a pattern out: it might mean something else in JSON Schema.
      const text = Schema.String.check(Schema.isPattern(new RegExp(shape.pattern, "u")))
      return shape.isMaybeNumber === true ? [text, Schema.Finite] : [text]
    }
    case "list": {
      const item = inFile(shape.item)
      const items = Schema.Array(item)
      const alone = alternatives(shape.item).filter((one) => !isText(one))
      return [
        shape.isNeverEmpty === true ? items.check(Schema.isMinLength(1)) : items,
        ...alone,
        severalTexts(shape.item)
      ]
    }
    case "map":
      return [mapInFile(shape)]
    case "either":
      return shape.shapes.flatMap(alternatives)
  }
}

/** One text for a list, with commas between. */
const severalTexts = (item: Shape): Described => {
  const pattern = wholePattern(item)
  if (pattern === undefined) return item.kind === "text" && item.pattern === undefined ? anyScalar : Schema.String
  const one = `(?:${pattern})?`
  return Schema.String.check(Schema.isPattern(new RegExp(`^\\s*${one}\\s*(?:,\\s*${one}\\s*)*$`, "u")))
}

/** What a text is from its beginning to its end, as far as that is known. */
const wholePattern = (item: Shape): string | undefined => {
  if (item.kind === "word") {
    return item.isAnyCase === true ? anyCase(item.words).source.slice(1, -1) : item.words.map(RegExp_.escape).join("|")
  }
  const [, inner] = item.kind === "text" ? (/^\^(.*)\$$/.exec(item.pattern ?? "") ?? []) : []
  return inner
}

const isText = (schema: Described): boolean => schema === anyScalar || ["String", "Union"].includes(schema.ast._tag)

const inFile = (shape: Shape): Described => {
  const all = alternatives(shape)
  return all.length === 1 ? all[0]! : Schema.Union(all)
}

type MapShape = Extract<Shape, { readonly kind: "map" }>

/** Each map once: it stands among the definitions, by its title. */
const maps = new Map<string, Described>()

const mapInFile = ({ title, fields }: MapShape): Described => {
  const known = maps.get(title)
  if (known !== undefined) return known
  const map = Schema.Struct(
    Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, fieldInFile(field)]))
  ).annotate({ identifier: title }) as unknown as Described
  maps.set(title, map)
  return map
}

const fieldInFile = ({ shape, isRequired, meaning }: FieldShape) => {
  const values = [...alternatives(shape), ...(isRequired ? [] : [Schema.Null])]
  const described = Schema.Union(values).annotate({ description: meaning, ...examplesOf(shape) })
  return isRequired ? described : Schema.optionalKey(described)
}

const examplesOf = (shape: Shape): { readonly examples?: ReadonlyArray<unknown> } =>
  shape.kind === "text" && shape.examples !== undefined ? { examples: shape.examples } : {}

/** What stands in the list of a setting, where it may be a map. */
const itemShape = (name: SettingName, shape: Shape): Shape => {
  const map = itemMaps[name]
  return map === undefined ? shape : { kind: "either", shapes: [shapeOf(map.schema), shape] }
}

/** Groups stand under their names, each a map or the rest of the text. */
const groups = Schema.Record(
  Schema.String.check(Schema.isPattern(new RegExp(LABEL.source, "u"))),
  inFile({ kind: "either", shapes: [shapeOf(groupMap), { kind: "text", pattern: "\\S" }] })
)

const settingInFile = (name: SettingName): Described => {
  const shape = shapeOf(Settings.fields[name])
  const own = shape.kind === "list" ? { ...shape, item: itemShape(name, shape.item) } : shape
  const values = [...(name === "groups" ? [groups as unknown as Described] : []), ...alternatives(own), Schema.Null]
  return Schema.Union(values).annotate({
    description: textOf(name),
    ...defaultOf(name, shape),
    ...examplesOf(shape)
  })
}

const defaultOf = (name: SettingName, shape: Shape): { readonly default?: unknown } => {
  const text = settingInfo[name].default
  if (text === undefined) return {}
  if (shape.kind === "list") return { default: text === "" ? [] : text.split(",") }
  return { default: valueIn(shape, text) }
}

/** A value as it stands in a file. */
const valueIn = (shape: Shape, text: string): unknown => {
  switch (shape.kind) {
    case "number":
      return Number(text)
    case "truth":
      return text === "true"
    case "either":
      return shape.shapes.some(({ kind }) => kind === "number") && !Number.isNaN(Number(text)) ? Number(text) : text
    default:
      return text
  }
}

/** As JSON. */
export const jsonSchema = (): Readonly<Record<string, unknown>> => {
  const file = Schema.Struct(
    Object.fromEntries(settingNames.map((name) => [fileKey(name), Schema.optionalKey(settingInFile(name))]))
  )
  const { schema, definitions } = JsonSchema.toDocumentDraft07(
    Schema.toJsonSchemaDocument(file, { onExcessProperty: "error" })
  )
  return {
    $schema: JsonSchema.META_SCHEMA_URI_DRAFT_07,
    title: "Strand's configuration",
    ...schema,
    ...(Object.keys(definitions).length === 0 ? {} : { definitions })
  }
}
