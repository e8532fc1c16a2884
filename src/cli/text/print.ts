/** What commands print. */
import { Console, Effect } from "effect"

export const printLines = (lines: ReadonlyArray<string>): Effect.Effect<void> =>
  lines.length === 0 ? Effect.void : Console.log(lines.join("\n"))

/** For scripts. */
export const printJson = (value: unknown): Effect.Effect<void> => Console.log(JSON.stringify(value, null, 2))

/** `value` for scripts, or lines for people. */
export const print = (isJson: boolean, value: unknown, lines: () => ReadonlyArray<string>): Effect.Effect<void> =>
  isJson ? printJson(value) : Effect.suspend(() => printLines(lines()))
