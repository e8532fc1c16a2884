/**
 * Values that stand in a file as maps, each with a schema that runs both ways.
 *
 * A map has texts, lists and maps in it; what is wrong is said of the key that it is wrong at.
 */
import { Effect, Result, Schema, SchemaAST, SchemaIssue, SchemaParser, SchemaTransformation } from "effect"
import type { Read, TextForm } from "../codec/text-form.ts"
import { splitList } from "../codec/words.ts"
import { type FieldShape, type Shape, shapeOf } from "../schema/shape.ts"

/** What was expected, and at which key, unless it is the whole map. */
export interface Wrong {
  readonly key?: string
  readonly expected: string
}

export interface MapForm<Fields, A> {
  readonly read: (fields: Fields) => Result.Result<A, Wrong>
  /** The map of a value: `read` makes the same of it. */
  readonly write: (value: A) => Fields
}

/** A key that may be absent. */
export const field = <S extends Schema.Top>(schema: S, meaning: string): Schema.optionalKey<S> =>
  Schema.optionalKey(schema).annotateKey({ description: meaning }) as Schema.optionalKey<S>

/** A key that has to be there; `expected` is said where it is not. */
export const requiredField = <S extends Schema.Top>(schema: S, meaning: string, expected: string): S =>
  schema.annotateKey({ description: meaning, messageMissingKey: expected }) as unknown as S

const fieldShape = (schema: Schema.Top): FieldShape => ({
  shape: shapeOf(schema),
  isRequired: !SchemaAST.isOptional(schema.ast),
  meaning: Schema.resolveAnnotationsKey(schema)?.description ?? ""
})

/** @param title what the map is */
export const fromMap = <const Fields extends Schema.Struct.Fields, A>(
  title: string,
  fields: Fields,
  { read, write }: MapForm<Schema.Struct<Fields>["Type"], A>
) => {
  const shape: Shape = {
    kind: "map",
    title,
    fields: Object.fromEntries(Object.entries(fields).map(([key, schema]) => [key, fieldShape(schema as Schema.Top)]))
  }
  return Schema.Struct(fields)
    .pipe(
      Schema.decodeTo(
        Schema.Unknown as unknown as Schema.Codec<A>,
        SchemaTransformation.transformEffect<A, Schema.Struct<Fields>["Type"]>({
          decode: (map, options) => {
            const result = read(map)
            if (Result.isSuccess(result)) return Effect.succeed(result.success)
            const { key, expected } = result.failure
            const issue = new SchemaIssue.InvalidValue({ expected }, map, options)
            return Effect.fail(key === undefined ? issue : new SchemaIssue.Pointer([key], issue))
          },
          encode: (value) => Effect.succeed(write(value))
        })
      )
    )
    .annotate({ shape })
}

/** What a text means, as the words of a mistake at its key. */
export const wrongAt = <A>(read: Read<A>, key?: string): Result.Result<A, Wrong> =>
  Result.mapError(read, (expected) => (key === undefined ? { expected } : { key, expected }))

/** All of a list; of a text, what stands between its commas. */
const itemsOf = (value: unknown, isDivided: boolean): ReadonlyArray<unknown> => {
  if (Array.isArray(value)) return value
  return typeof value === "string" && isDivided ? splitList(value) : [value]
}

/** A list, or one item alone; one text may have commas between several. */
export const oneOrMore = <A, E>(item: Schema.Codec<A, E>, { isDivided = true }: { isDivided?: boolean } = {}) =>
  Schema.Unknown.pipe(
    Schema.decodeTo(
      Schema.Array(item),
      SchemaTransformation.transform<ReadonlyArray<E>, unknown>({
        decode: (value) => itemsOf(value, isDivided) as ReadonlyArray<E>,
        encode: (items) => items
      })
    )
  ).annotate({ shape: { kind: "list", item: shapeOf(item) } })

/** A text that a test holds for. */
export const checkedText = (isRight: (text: string) => boolean, expected: string): TextForm<string> => ({
  read: (text) => (isRight(text) ? Result.succeed(text) : Result.fail(expected)),
  write: (text) => text
})

/** A text as it is, spaces and all. */
export const rawText = Schema.String.annotate({ shape: { kind: "text" } })

/** A text in short, or the map that says the same: it is written as the map. */
export const textOrMap = <A, E>(read: (text: string) => Read<A>, textShape: Shape, map: Schema.Codec<A, E>) => {
  const decodeMap = SchemaParser.decodeUnknownEffect(map)
  const encodeMap = SchemaParser.encodeEffect(map)
  return Schema.Unknown.pipe(
    Schema.decodeTo(
      Schema.Unknown as unknown as Schema.Codec<A>,
      SchemaTransformation.transformEffect<A, unknown>({
        decode: (value, options) => {
          if (typeof value !== "string") return decodeMap(value, options)
          const result = read(value.trim())
          return Result.isSuccess(result)
            ? Effect.succeed(result.success)
            : Effect.fail(new SchemaIssue.InvalidValue({ expected: result.failure }, value, options))
        },
        encode: (value, options) => encodeMap(value, options)
      })
    )
  ).annotate({ shape: { kind: "either", shapes: [textShape, shapeOf(map)] } })
}
