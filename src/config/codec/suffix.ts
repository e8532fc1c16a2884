/** A name that stands for itself and all below it. */
import { Result } from "effect"
import { parseName } from "../../dns/name.ts"
import { writeName } from "./names.ts"
import type { TextForm } from "./text-form.ts"

/** A name without `*`. */
export const suffix: TextForm<Uint8Array> = {
  read: (text) => {
    const name = /^\*(\.|$)/.test(text) ? undefined : parseName(text.toLowerCase())
    return name === undefined ? Result.fail("a name, which means all below it too") : Result.succeed(name)
  },
  write: (name) => writeName(name)
}
