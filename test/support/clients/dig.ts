/** Asks by dig, as people do. */
import { execFile } from "node:child_process"
import { Effect } from "effect"
import { findTool } from "../external/tools.ts"

export const dig = findTool("dig")

/** What dig prints of an answer from 127.0.0.1. */
export const askDig = (port: number, args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    execFile(dig!, ["@127.0.0.1", "-p", String(port), ...args], (_error, stdout) => resume(Effect.succeed(stdout)))
  })
