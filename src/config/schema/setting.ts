/**
 * What a setting is: a schema that runs both ways, its default, its meaning, and what a change of it touches.
 *
 * Every value is read from text, whichever source it comes from, and written as the one text that reads the same.
 */
import { Effect, Result, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { meaning } from "../codec/nearest.ts"
import { type NumberOptions, numberIn, truth as truthForm } from "../codec/numbers.ts"
import type { TextForm } from "../codec/text-form.ts"
import { type Shape, shapeOf } from "./shape.ts"

/** What is built anew, or told of it, when a setting changes. */
export type Touch = "query" | "listener" | "upstream" | "table" | "telemetry" | "process"

export interface SettingInfo {
  /** As it would be written in the environment; undefined where the setting may be absent. */
  readonly default: string | undefined
  /** What the default follows from, where it is no text; for people. */
  readonly otherwise?: string
  readonly touches: ReadonlyArray<Touch>
  /** Where the environment's name is a standard one. */
  readonly variable?: string
  readonly isList?: boolean
  /** What may be shown of a value, or of one in a list, that can hold a secret. */
  readonly shown?: (text: string) => string
  /** The same of one that is wrong, where any part of it may be the secret. */
  readonly shownWrong?: (text: string) => string
  /** What it does, for `--help` and the reference. */
  readonly meaning: string
}

export interface Setting<S extends Schema.Top> extends SettingInfo {
  readonly schema: S
}

/** Settings that belong together, under one title. */
export interface Section<Settings extends Readonly<Record<string, Setting<Schema.Top>>>> {
  readonly title: string
  readonly settings: Settings
}

export const section = <const Settings extends Readonly<Record<string, Setting<Schema.Top>>>>(
  title: string,
  settings: Settings
): Section<Settings> => ({ title, settings })

/** A value that stands in a text, both ways; spaces around it are nothing. */
export const fromText = <A>({ read, write }: TextForm<A>, shape: Shape = { kind: "text" }) =>
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.Unknown as unknown as Schema.Codec<A>,
      SchemaTransformation.transformEffect<A, string>({
        decode: (text, options) => {
          const result = read(text.trim())
          return Result.isSuccess(result)
            ? Effect.succeed(result.success)
            : Effect.fail(new SchemaIssue.InvalidValue({ expected: result.failure }, text, options))
        },
        encode: (value) => Effect.succeed(write(value))
      })
    )
  ).annotate({ shape })

export const number = (options: NumberOptions) => fromText(numberIn(options), { kind: "number", ...options })

export const word = <const Words extends ReadonlyArray<string>>(...words: Words) => {
  const form: TextForm<Words[number]> = {
    read: (text) =>
      words.includes(text)
        ? Result.succeed(text as Words[number])
        : Result.fail(`one of ${words.join(", ")}${meaning(text, words)}`),
    write: (text) => text
  }
  return fromText(form, { kind: "word", words })
}

export const truth = fromText(truthForm, { kind: "truth" })

const textForm: TextForm<string> = {
  read: (value) => (value === "" ? Result.fail("a text") : Result.succeed(value)),
  write: (value) => value
}

export const textLike = (shape: Omit<Extract<Shape, { readonly kind: "text" }>, "kind">) =>
  fromText(textForm, { kind: "text", ...shape })

export const text = fromText(textForm)

/** A text that has to match, here as in an editor. */
export const textMatching = (pattern: string, expected: string, ...examples: ReadonlyArray<string>) => {
  const matching = new RegExp(pattern)
  const form: TextForm<string> = {
    read: (value) => (matching.test(value) ? Result.succeed(value) : Result.fail(expected)),
    write: (value) => value
  }
  return fromText(form, { kind: "text", pattern, ...(examples.length === 0 ? {} : { examples }) })
}

/** At least one. */
export const list = <S extends Schema.Codec<unknown, string>>(item: S) =>
  Schema.NonEmptyArray(item).annotate({ shape: { kind: "list", item: shapeOf(item), isNeverEmpty: true } })

/** None, or more. */
export const listOrNone = <S extends Schema.Codec<unknown, string>>(item: S) =>
  Schema.Array(item).annotate({ shape: { kind: "list", item: shapeOf(item) } })

/** May be absent. */
export const optional = <S extends Schema.Top>(schema: S) =>
  // `Undefined` is tried first: the codec of a value that is written as a text would try to read what is absent.
  Schema.Union([Schema.Undefined, schema]).annotate({ shape: shapeOf(schema) })
