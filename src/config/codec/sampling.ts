/** Which queries leave a trace: `always`, `never`, `ratio:0.01`, `rate:200`. */
import { Result } from "effect"
import { decimal } from "./numbers.ts"
import type { Read, TextForm } from "./text-form.ts"

/** Failed and slow ones do in any case, unless it is `never`. */
export type Sampling =
  | { readonly kind: "always" }
  | { readonly kind: "never" }
  /** A share of all queries, 0 to 1. */
  | { readonly kind: "ratio"; readonly ratio: number }
  /** Up to so many queries a second. */
  | { readonly kind: "rate"; readonly perSecond: number }

export const readSampling = (text: string): Read<Sampling> => {
  if (text === "always" || text === "never") return Result.succeed({ kind: text })
  const [kind, number = ""] = text.split(":", 2)
  const value = /^\d+(\.\d+)?$/.test(number) ? Number(number) : Number.NaN
  if (kind === "ratio" && value >= 0 && value <= 1) return Result.succeed({ kind, ratio: value })
  if (kind === "rate" && value >= 0 && value <= 1_000_000) return Result.succeed({ kind, perSecond: value })
  return Result.fail("always, never, ratio:0.01 or rate:200 (a second)")
}

const writeSampling = (sampling: Sampling): string => {
  switch (sampling.kind) {
    case "ratio":
      return `ratio:${decimal(sampling.ratio)}`
    case "rate":
      return `rate:${decimal(sampling.perSecond)}`
    default:
      return sampling.kind
  }
}

export const sampling: TextForm<Sampling> = { read: readSampling, write: writeSampling }
