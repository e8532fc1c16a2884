/** How a value stands in a file: what editors and people are told of it. Each schema of a setting is annotated so. */
import { Schema } from "effect"
import type { NumberOptions } from "../codec/numbers.ts"

export type Shape =
  | ({ readonly kind: "number" } & NumberOptions)
  | { readonly kind: "truth" }
  | { readonly kind: "word"; readonly words: ReadonlyArray<string>; readonly isAnyCase?: boolean }
  | {
      readonly kind: "text"
      /** What every such text matches. */
      readonly pattern?: string
      /** Whether YAML may take such a text for a number. */
      readonly isMaybeNumber?: boolean
      readonly examples?: ReadonlyArray<string>
    }
  /** A YAML list, or one text with commas between, or one item alone. */
  | { readonly kind: "list"; readonly item: Shape; readonly isNeverEmpty?: boolean }
  | { readonly kind: "map"; readonly title: string; readonly fields: Readonly<Record<string, FieldShape>> }
  | { readonly kind: "either"; readonly shapes: ReadonlyArray<Shape> }

export interface FieldShape {
  readonly shape: Shape
  readonly isRequired: boolean
  readonly meaning: string
}

/** A text where nothing else is said. */
export const shapeOf = (schema: Schema.Top): Shape =>
  (Schema.resolveAnnotations(schema)?.["shape"] as Shape | undefined) ?? { kind: "text" }
