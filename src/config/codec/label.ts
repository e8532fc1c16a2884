/** What a server says of itself: a short text that any client can show. */
import { Result } from "effect"
import { MAX_NSID_SIZE } from "../../dns/reply.ts"
import type { TextForm } from "./text-form.ts"

/** Printable ASCII. */
const PRINTABLE = /^[\x20-\x7e]+$/

export const label: TextForm<string> = {
  read: (text) =>
    text.length <= MAX_NSID_SIZE && PRINTABLE.test(text)
      ? Result.succeed(text)
      : Result.fail(`a text of at most ${MAX_NSID_SIZE} characters, all of them ASCII`),
  write: (text) => text
}
