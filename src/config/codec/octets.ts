/** Octets as hexadecimal digits. */
import { Result } from "effect"
import type { TextForm } from "./text-form.ts"

/** So many octets, two digits each, letters in either case. */
export const octetsIn = (size: number): TextForm<Uint8Array> => ({
  read: (text) =>
    text.length === 2 * size && /^[\da-f]*$/i.test(text)
      ? Result.succeed(Uint8Array.from(Buffer.from(text, "hex")))
      : Result.fail(`${2 * size} hexadecimal digits`),
  write: (octets) => Buffer.from(octets).toString("hex")
})
