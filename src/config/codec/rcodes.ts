/** Errors that an upstream may answer with, by the names that RFC 6895 §2.3 gives them. */
import { Result } from "effect"
import type { Read, TextForm } from "./text-form.ts"

export const errorRcodes: ReadonlyMap<string, number> = new Map([
  ["FORMERR", 1],
  ["SERVFAIL", 2],
  ["NOTIMP", 4],
  ["REFUSED", 5],
  ["YXRRSET", 7],
  ["NXRRSET", 8],
  ["NOTAUTH", 9],
  ["NOTZONE", 10]
])

export const readErrorRcode = (text: string): Read<number> => {
  const rcode = errorRcodes.get(text.toUpperCase())
  return rcode === undefined ? Result.fail(`one of ${[...errorRcodes.keys()].join(", ")}`) : Result.succeed(rcode)
}

const writeErrorRcode = (rcode: number): string => {
  for (const [name, code] of errorRcodes) if (code === rcode) return name
  return String(rcode)
}

export const errorRcode: TextForm<number> = { read: readErrorRcode, write: writeErrorRcode }
