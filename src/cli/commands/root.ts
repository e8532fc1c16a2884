/** `strand` itself, and the options that stand before or behind every command. */
import { Command, Flag } from "effect/cli"
import { file, toggle } from "./flags.ts"

export const against = file(
  "against",
  "OLD",
  "say what would change in a server that runs by this file, and what that touches"
)

const config = file("config", "FILE", "the configuration's file (YAML)")

/** `--check` is `check` as an option: it was the way before there were commands. */
export const strand = Command.make("strand", {
  isCheck: Flag.withHidden(toggle("check", "the same as strand check")),
  against: Flag.withHidden(against)
}).pipe(Command.withSharedFlags({ file: Flag.withAlias(config, "c") }))
