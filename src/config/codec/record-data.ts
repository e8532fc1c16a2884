/** The data of local answers' records, as a zone's file has it in words (RFC 1035 §5.1) and as a message has it. */
import { Result } from "effect"
import { NetAddress } from "effect/net"
import { Type } from "../../dns/codes.ts"
import { parseName } from "../../dns/name.ts"
import { writeName } from "./names.ts"
import type { Read } from "./text-form.ts"
import { escaped, unescaped, type Word } from "./words.ts"

/** Of a character-string (RFC 1035 §3.3). */
const MAX_STRING_LENGTH = 255

interface DataForm {
  readonly code: number
  readonly expected: string
  /** The data that the words behind the type say; undefined where they are not that type's. */
  readonly read: (words: ReadonlyArray<string>) => Uint8Array | undefined
  readonly write: (data: Uint8Array) => string
}

const forms: Readonly<Record<string, DataForm>> = {
  A: {
    code: Type.A,
    expected: "an IPv4 address",
    read: ([address = "", ...more]) =>
      more.length > 0 ? undefined : octetsOf(NetAddress.ipv4FromString(address), NetAddress.ipv4ToOctets),
    write: (data) => data.join(".")
  },
  AAAA: {
    code: Type.AAAA,
    expected: "an IPv6 address",
    read: ([address = "", ...more]) =>
      more.length > 0 ? undefined : octetsOf(NetAddress.ipv6FromString(address), NetAddress.ipv6ToOctets),
    write: (data) => writeIPv6(data)
  },
  PTR: {
    code: Type.PTR,
    expected: "a name",
    read: ([name = "", ...more]) => (more.length > 0 ? undefined : nameOrNone(name)),
    write: (data) => writeDataName(data, 0)
  },
  MX: {
    code: Type.MX,
    expected: "a preference and a name",
    read: (words) => numbersAndName(words, 1),
    write: (data) => writeNumbersAndName(data, 1)
  },
  SRV: {
    code: Type.SRV,
    expected: "a priority, a weight, a port and a name",
    read: (words) => numbersAndName(words, 3),
    write: (data) => writeNumbersAndName(data, 3)
  }
}

/** All types that there are. */
export const recordTypes: ReadonlyArray<string> = [...Object.keys(forms), "TXT"]

export interface RecordData {
  readonly type: number
  /** As it stands in a message, names not compressed. */
  readonly data: Uint8Array
}

const octetsOf = <A>(
  address: Result.Result<A, unknown>,
  toOctets: (address: A) => ReadonlyArray<number>
): Uint8Array | undefined => (Result.isSuccess(address) ? Uint8Array.from(toOctets(address.success)) : undefined)

/** In words, so that it is never mistaken for IPv4 written as IPv6. */
const writeIPv6 = (data: Uint8Array): string => {
  const groups = Array.from({ length: 8 }, (_, i) => ((data[2 * i]! << 8) | data[2 * i + 1]!).toString(16))
  const address = NetAddress.ipv6FromString(groups.join(":"))
  return Result.isSuccess(address) ? NetAddress.formatIp(address.success) : groups.join(":")
}

export const nameOrNone = (text: string): Uint8Array | undefined => (text === "" ? undefined : parseName(text))

/** In data letters keep their case. */
const writeDataName = (data: Uint8Array, at: number): string => writeName(data.subarray(at), /[A-Z*]/)

/** So many numbers of 16 bits, and a name behind them. */
const numbersAndName = (words: ReadonlyArray<string>, count: number): Uint8Array | undefined => {
  const numbers = words.slice(0, count)
  const name = nameOrNone(words[count] ?? "")
  const areNumbers =
    numbers.length === count && numbers.every((text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535)
  if (!areNumbers || name === undefined || words.length > count + 1) return undefined
  return Uint8Array.from([...numbers.flatMap((text) => [Number(text) >>> 8, Number(text) & 0xff]), ...name])
}

const writeNumbersAndName = (data: Uint8Array, count: number): string => {
  const numbers = Array.from({ length: count }, (_, i) => (data[2 * i]! << 8) | data[2 * i + 1]!)
  return [...numbers, writeDataName(data, 2 * count)].join(" ")
}

/** The data of any type but TXT. */
export const readRecordData = (type: string, words: ReadonlyArray<string>, form: string): Read<RecordData> => {
  const known = Object.hasOwn(forms, type) ? forms[type] : undefined
  if (known === undefined) return Result.fail(`${form}a type of ${recordTypes.join(", ")}`)
  const data = known.read(words)
  if (data !== undefined) return Result.succeed({ type: known.code, data })
  return Result.fail(`${known.expected} behind ${type}, not ${words.join(" ") || "nothing"}`)
}

/** Of a TXT record: each of the texts is a string of its own, escapes in it as in a zone's file. */
export const readStrings = (texts: ReadonlyArray<string>): Read<RecordData> => {
  const strings = texts.map(unescaped)
  if (strings.some((octets) => octets === undefined))
    return Result.fail("behind \\ three digits up to 255, or any other character")
  return textRecord(strings as ReadonlyArray<Uint8Array>)
}

export const textRecord = (strings: ReadonlyArray<Uint8Array>): Read<RecordData> => {
  if (strings.length === 0) return Result.fail("a text behind TXT")
  return strings.some(({ length }) => length > MAX_STRING_LENGTH)
    ? Result.fail(`strings of at most ${MAX_STRING_LENGTH} octets, each in quotes, such as "v=DKIM1; p=" "MIGf"`)
    : Result.succeed({
        type: Type.TXT,
        data: Uint8Array.from(strings.flatMap((string) => [string.length, ...string]))
      })
}

/** In quotes or without: words that stand in quotes are strings of their own; else all is one, with its spaces. */
export const stringsIn = (text: string, words: ReadonlyArray<Word>): ReadonlyArray<string> => {
  const first = words[0]
  if (first === undefined) return []
  return words.some(({ isQuoted }) => isQuoted)
    ? words.map((word) => word.text)
    : [text.slice(first.start, words.at(-1)!.end)]
}

/** The type's name and the data, as `readRecordData` and `readStrings` read them. */
export const writeRecordData = ({ type, data }: RecordData): readonly [type: string, data: string] => {
  for (const [name, { code, write }] of Object.entries(forms)) if (code === type) return [name, write(data)]
  const strings: Array<string> = []
  for (let at = 0; at < data.length; at += data[at]! + 1) {
    strings.push(`"${escaped(data.subarray(at + 1, at + 1 + data[at]!))}"`)
  }
  return ["TXT", strings.join(" ")]
}
