/**
 * Answers of the server's own, each read from one text: `nas.home A 192.168.1.7`, `www.example 60 A 192.0.2.1 country:DE`.
 *
 * In the file they may be maps, which are brought into these texts first.
 */
import { isIPv4, isIPv6 } from "node:net"
import type { Answer } from "dns-packet"
import { Result } from "effect"
import { Type } from "../dns/codes.ts"
import { parseName } from "../dns/name.ts"
import { type Conditions, readConditions } from "./conditions.ts"
import type { Read } from "./values.ts"

export interface LocalAnswer extends Conditions {
  /** In wire form, in lower case. */
  readonly name: Uint8Array
  readonly type: number
  /** As dns-packet writes it. */
  readonly record: Answer
}

const DEFAULT_TTL_SECONDS = 300
const MAX_TTL_SECONDS = 604_800
const FORM = "name type data, such as nas.home A 192.168.1.7, with the TTL in seconds before the type if need be"

/** What is made of the words behind the type; undefined where they are not that type's. */
const readers: Readonly<
  Record<string, { readonly code: number; readonly read: (words: ReadonlyArray<string>) => unknown }>
> = {
  A: { code: Type.A, read: ([address = "", ...more]) => (isIPv4(address) && more.length === 0 ? address : undefined) },
  AAAA: {
    code: Type.AAAA,
    read: ([address = "", ...more]) =>
      isIPv6(address) && !address.includes("%") && more.length === 0 ? address : undefined
  },
  PTR: { code: Type.PTR, read: ([name = "", ...more]) => (more.length === 0 ? nameOrNone(name) : undefined) },
  MX: {
    code: Type.MX,
    read: ([preference = "", name = "", ...more]) => {
      const exchange = nameOrNone(name)
      return isU16(preference) && exchange !== undefined && more.length === 0
        ? { preference: Number(preference), exchange }
        : undefined
    }
  },
  SRV: {
    code: Type.SRV,
    read: ([priority = "", weight = "", port = "", name = "", ...more]) => {
      const target = nameOrNone(name)
      return [priority, weight, port].every(isU16) && target !== undefined && more.length === 0
        ? { priority: Number(priority), weight: Number(weight), port: Number(port), target }
        : undefined
    }
  },
  TXT: {
    code: Type.TXT,
    read: (words) => {
      const text = words.join(" ").replace(/^"(.*)"$/, "$1")
      return text !== "" && Buffer.byteLength(text) <= 255 ? [Buffer.from(text)] : undefined
    }
  }
}

const isU16 = (text: string): boolean => /^\d{1,5}$/.test(text) && Number(text) <= 65_535

/** Names with escapes are left out: dns-packet writes no dots inside a label. */
const nameOrNone = (text: string): string | undefined =>
  text.includes("\\") || text === "" || parseName(text) === undefined ? undefined : text.replace(/\.$/, "")

export const readLocalAnswer = (text: string): Read<LocalAnswer> => {
  const read = readConditions(text.split(/\s+/).filter((word) => word !== ""))
  if (Result.isFailure(read)) return Result.fail(read.failure)
  const { conditions, rest } = read.success
  const [written = "", ...words] = rest
  const name = nameOrNone(written.toLowerCase())
  if (name === undefined) return Result.fail(FORM)
  const ttl = /^\d+$/.test(words[0] ?? "") ? Number(words.shift()) : DEFAULT_TTL_SECONDS
  if (ttl > MAX_TTL_SECONDS) return Result.fail(`a TTL of at most ${MAX_TTL_SECONDS} seconds`)
  const type = words.shift()?.toUpperCase() ?? ""
  const reader = readers[type]
  if (reader === undefined) return Result.fail(`${FORM}; a type of ${Object.keys(readers).join(", ")}`)
  const data = reader.read(words)
  if (data === undefined) return Result.fail(`the data of ${type} behind it, not ${words.join(" ") || "nothing"}`)
  return Result.succeed({
    ...conditions,
    name: parseName(name)!,
    type: reader.code,
    record: { name, type, ttl, data } as Answer
  })
}
