/** From when on a query is slow: milliseconds, or `p99`. */
import { Result } from "effect"
import { readNumber } from "./numbers.ts"
import type { TextForm } from "./text-form.ts"

/** Milliseconds; or longer than 99 of 100 of the queries before it that were asked upstream. */
export type SlowFrom = number | "p99"

export const slowFrom: TextForm<SlowFrom> = {
  read: (text) =>
    text.toLowerCase() === "p99"
      ? Result.succeed("p99")
      : Result.mapError(
          readNumber(text, { min: 1, max: 60_000, unit: "milliseconds" }),
          (expected) => `p99, or ${expected}`
        ),
  write: (from) => String(from)
}
