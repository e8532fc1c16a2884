/**
 * Answers of the server's own, each read from one text: `nas.home A 192.168.1.7`, `www.example 60 A 192.0.2.1
 * country:DE`, `home TXT "v=1  of it" "and more"`.
 *
 * Words in quotes are data, octet by octet, with the escapes of RFC 1035 §5.1. In the file an answer may be a map,
 * which is brought into such texts first. Its data is put in quotes, so that nothing in it is read as anything else.
 */
import { Predicate, Result } from "effect"
import { NetAddress } from "effect/net"
import { Type } from "../dns/codes.ts"
import { formatName, lowerCased, parseName } from "../dns/name.ts"
import { MAX_RECORDS_SIZE, sizeOf } from "../dns/own-answer.ts"
import {
  CONDITION_KEYS,
  type Conditions,
  conditionsKey,
  conditionWords,
  isCondition,
  readConditions
} from "./conditions.ts"
import type { Read } from "./values.ts"
import { quoted, readWords, unescaped, type Word } from "./words.ts"

export interface LocalAnswer extends Conditions {
  /** In wire form, in lower case; with `*` as its first label it is for the names below. */
  readonly name: Uint8Array
  readonly type: number
  readonly ttlSeconds: number
  /** As it stands in a message, names not compressed. */
  readonly data: Uint8Array
}

const DEFAULT_TTL_SECONDS = 300
const MAX_TTL_SECONDS = 604_800
/** Of a character-string (RFC 1035 §3.3). */
const MAX_STRING_LENGTH = 255
const FORM = "name type data, such as nas.home A 192.168.1.7, with the TTL in seconds before the type if need be"

interface Reader {
  readonly code: number
  readonly expected: string
  /** The data that the words behind the type say; undefined where they are not that type's. */
  readonly read: (words: ReadonlyArray<string>) => Uint8Array | undefined
}

const readers: Readonly<Record<string, Reader>> = {
  A: {
    code: Type.A,
    expected: "an IPv4 address",
    read: ([address = "", ...more]) =>
      more.length > 0 ? undefined : octetsOf(NetAddress.ipv4FromString(address), NetAddress.ipv4ToOctets)
  },
  AAAA: {
    code: Type.AAAA,
    expected: "an IPv6 address",
    read: ([address = "", ...more]) =>
      more.length > 0 ? undefined : octetsOf(NetAddress.ipv6FromString(address), NetAddress.ipv6ToOctets)
  },
  PTR: {
    code: Type.PTR,
    expected: "a name",
    read: ([name = "", ...more]) => (more.length > 0 ? undefined : nameOrNone(name))
  },
  MX: { code: Type.MX, expected: "a preference and a name", read: (words) => numbersAndName(words, 1) },
  SRV: {
    code: Type.SRV,
    expected: "a priority, a weight, a port and a name",
    read: (words) => numbersAndName(words, 3)
  }
}

const types = [...Object.keys(readers), "TXT"].join(", ")

const octetsOf = <A>(
  address: Result.Result<A, unknown>,
  toOctets: (address: A) => ReadonlyArray<number>
): Uint8Array | undefined => (Result.isSuccess(address) ? Uint8Array.from(toOctets(address.success)) : undefined)

const nameOrNone = (text: string): Uint8Array | undefined => (text === "" ? undefined : parseName(text))

/** So many numbers of 16 bits, and a name behind them. */
const numbersAndName = (words: ReadonlyArray<string>, count: number): Uint8Array | undefined => {
  const numbers = words.slice(0, count)
  const name = nameOrNone(words[count] ?? "")
  const areNumbers =
    numbers.length === count && numbers.every((text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535)
  if (!areNumbers || name === undefined || words.length > count + 1) return undefined
  return Uint8Array.from([...numbers.flatMap((text) => [Number(text) >>> 8, Number(text) & 0xff]), ...name])
}

export const readLocalAnswer = (text: string): Read<LocalAnswer> => {
  const words = readWords(text)
  if (words === undefined) return Result.fail('a quote (") behind what one opens, and space behind that')
  const isConditionAt = words.map(({ isQuoted, text }) => !isQuoted && isCondition(text))
  const rest = words.filter((_, i) => !isConditionAt[i])
  const written = rest.shift()
  const name = written === undefined ? undefined : nameOrNone(written.text)
  if (name === undefined) return Result.fail(FORM)
  const ttl = /^\d+$/.test(rest[0]?.text ?? "") ? Number(rest.shift()!.text) : DEFAULT_TTL_SECONDS
  if (ttl > MAX_TTL_SECONDS) return Result.fail(`a TTL of at most ${MAX_TTL_SECONDS} seconds`)
  const typeAt = rest.shift()
  const type = typeAt?.text.toUpperCase() ?? ""
  const isText = type === "TXT"
  // Within a text a word is a word, whatever it looks like: conditions stand before it or behind.
  const lastOfText = words.findLastIndex((_, i) => !isConditionAt[i])
  const dataAt = typeAt === undefined ? 0 : words.indexOf(typeAt) + 1
  const isData = (i: number): boolean => i >= dataAt && (isText ? i <= lastOfText : !isConditionAt[i])
  const conditions = readConditions(words.filter((_, i) => isConditionAt[i] && !isData(i)).map(({ text }) => text))
  if (Result.isFailure(conditions)) return Result.fail(`${conditions.failure}; in quotes it is data`)
  const data = readData(
    type,
    text,
    words.filter((_, i) => isData(i))
  )
  if (Result.isFailure(data)) return Result.fail(data.failure)
  return Result.succeed({
    ...conditions.success.conditions,
    name: lowerCased(name, 0, name.length).slice(),
    ttlSeconds: ttl,
    ...data.success
  })
}

const readData = (type: string, text: string, words: ReadonlyArray<Word>): Read<Pick<LocalAnswer, "type" | "data">> => {
  if (type === "TXT") return Result.map(readStrings(text, words), (data) => ({ type: Type.TXT, data }))
  const reader = readers[type]
  if (reader === undefined) return Result.fail(`${FORM}; a type of ${types}`)
  const data = reader.read(words.map((word) => word.text))
  if (data !== undefined) return Result.succeed({ type: reader.code, data })
  const said = words.map((word) => word.text).join(" ")
  return Result.fail(`${reader.expected} behind ${type}, not ${said || "nothing"}`)
}

/** Each word in quotes is a string of its own; without any quotes all is one, with the spaces that it has. */
const readStrings = (text: string, words: ReadonlyArray<Word>): Read<Uint8Array> => {
  const first = words[0]
  if (first === undefined) return Result.fail("a text behind TXT")
  const strings = words.some(({ isQuoted }) => isQuoted)
    ? words.map((word) => unescaped(word.text))
    : [unescaped(text.slice(first.start, words.at(-1)!.end))]
  if (strings.some((octets) => octets === undefined))
    return Result.fail("behind \\ three digits up to 255, or any other character")
  const octets = strings as ReadonlyArray<Uint8Array>
  return octets.some(({ length }) => length > MAX_STRING_LENGTH)
    ? Result.fail(`strings of at most ${MAX_STRING_LENGTH} octets, each in quotes, such as "v=DKIM1; p=" "MIGf"`)
    : Result.succeed(Uint8Array.from(octets.flatMap((string) => [string.length, ...string])))
}

/** Names that have more records of one type, for the same clients, than a message holds. */
export const namesWithTooMuch = (answers: ReadonlyArray<LocalAnswer>): ReadonlyArray<string> => {
  const sizes = new Map<string, { readonly name: Uint8Array; size: number }>()
  for (const answer of answers) {
    const key = `${formatName(answer.name)} ${answer.type} ${conditionsKey(answer)}`
    const set = sizes.get(key)
    if (set === undefined) sizes.set(key, { name: answer.name, size: sizeOf([answer]) })
    else set.size += sizeOf([answer])
  }
  return [...sizes.values()].flatMap(({ name, size }) => (size > MAX_RECORDS_SIZE ? [formatName(name)] : []))
}

const KEYS = ["name", "ttl", "type", "data", "addresses", "text", ...CONDITION_KEYS]

/**
 * The texts for what a file has as one answer: a text, or a map of `name`, `ttl`, for whom it is, and of `addresses`,
 * of `text`, or of `type` and `data`.
 *
 * @returns undefined where it is neither
 */
export const localAnswerTexts = (answer: unknown): ReadonlyArray<string> | undefined => {
  if (isScalar(answer)) return [String(answer)]
  if (!Predicate.isObject(answer) || Array.isArray(answer)) return undefined
  const map = answer as Readonly<Record<string, unknown>>
  if (!Object.keys(map).every((key) => KEYS.includes(key))) return undefined
  const conditions = conditionWords(map)
  const { name, ttl = "" } = map
  const records = recordTexts(map)
  if (conditions === undefined || records === undefined || !isScalar(name) || !isScalar(ttl)) return undefined
  return records.map((record) => [name, ttl, record, ...conditions].filter((part) => part !== "").join(" "))
}

/** `type data`, of each record that the map has. */
const recordTexts = ({ addresses, data, text, type }: Readonly<Record<string, unknown>>) => {
  if ([addresses, data, text].filter((each) => each !== undefined).length !== 1) return undefined
  if (addresses !== undefined) {
    const all = scalars(addresses)
    return type === undefined && all.length > 0
      ? all.map((each) => `${each.includes(":") ? "AAAA" : "A"} ${quoted(each)}`)
      : undefined
  }
  if (text !== undefined) {
    const strings = scalars(text)
    const isText = type === undefined || String(type).toUpperCase() === "TXT"
    return isText && strings.length > 0 ? [`TXT ${strings.map(quoted).join(" ")}`] : undefined
  }
  const kind = type === undefined ? "A" : type
  if (!isScalar(data) || !isScalar(kind)) return undefined
  return [`${kind} ${String(kind).toUpperCase() === "TXT" ? textData(String(data)) : plainData(String(data))}`]
}

/** Already written in quotes, as in a zone's file, or the text itself. */
const textData = (data: string): string =>
  readWords(data)?.every(({ isQuoted }) => isQuoted) === true && data !== "" ? data : quoted(data)

const plainData = (data: string): string =>
  data
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => (isCondition(word) ? quoted(word) : word))
    .join(" ")

/** All of a list, or the one that there is; none where one is no text. */
const scalars = (value: unknown): ReadonlyArray<string> => {
  const items: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
  return items.every(isScalar) ? items.map(String) : []
}

const isScalar = (value: unknown): value is string | number | boolean =>
  Predicate.isString(value) || Predicate.isNumber(value) || Predicate.isBoolean(value)
