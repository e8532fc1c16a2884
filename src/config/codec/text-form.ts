/** How a value stands in text, both ways. */
import type { Result } from "effect"

/** What a text means, or the words for what was expected in its place. */
export type Read<A> = Result.Result<A, string>

/** `write` gives the one text by which a value is known: `read` makes the same value of it. */
export interface TextForm<A> {
  readonly read: (text: string) => Read<A>
  readonly write: (value: A) => string
}
