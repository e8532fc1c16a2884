/**
 * Answers of the server's own: `nas.home A 192.168.1.7`, `www.example 60 A 192.0.2.1 country:DE`,
 * `home TXT "v=1  of it" "and more"`.
 *
 * Words in quotes are data, octet by octet, with the escapes of RFC 1035 §5.1.
 */
import { Result } from "effect"
import { formatName, lowerCased } from "../../dns/name.ts"
import { MAX_RECORDS_SIZE, sizeOf } from "../../dns/own-answer.ts"
import { type Conditions, conditionsKey, isCondition, readConditions, writeConditions } from "./conditions.ts"
import { writeName } from "./names.ts"
import { nameOrNone, type RecordData, readRecordData, readStrings, stringsIn, writeRecordData } from "./record-data.ts"
import type { Read, TextForm } from "./text-form.ts"
import { readWords } from "./words.ts"

export interface LocalAnswer extends Conditions, RecordData {
  /** In wire form, in lower case; with `*` as its first label it is for the names below. */
  readonly name: Uint8Array
  readonly ttlSeconds: number
}

export const DEFAULT_TTL_SECONDS = 300
export const MAX_TTL_SECONDS = 604_800
const FORM = "name type data, such as nas.home A 192.168.1.7, with the TTL in seconds before the type if need be"

/** The name of a local answer; undefined where it is none. */
export const readOwner = (text: string): Uint8Array | undefined => {
  const name = nameOrNone(text)
  return name === undefined ? undefined : lowerCased(name, 0, name.length).slice()
}

export const writeOwner = (name: Uint8Array): string => writeName(name, /\*/)

export const readLocalAnswer = (text: string): Read<LocalAnswer> => {
  const words = readWords(text)
  if (words === undefined) return Result.fail('a quote (") behind what one opens, and space behind that')
  const isConditionAt = words.map(({ isQuoted, text }) => !isQuoted && isCondition(text))
  const rest = words.filter((_, i) => !isConditionAt[i])
  const written = rest.shift()
  const name = written === undefined ? undefined : readOwner(written.text)
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
  const dataWords = words.filter((_, i) => isData(i))
  const data = isText
    ? readStrings(stringsIn(text, dataWords))
    : readRecordData(
        type,
        dataWords.map((word) => word.text),
        `${FORM}; `
      )
  if (Result.isFailure(data)) return Result.fail(data.failure)
  return Result.succeed({
    ...conditions.success.conditions,
    name,
    ttlSeconds: ttl,
    ...data.success
  })
}

const writeLocalAnswer = (answer: LocalAnswer): string =>
  [writeOwner(answer.name), answer.ttlSeconds, ...writeRecordData(answer), ...writeConditions(answer)].join(" ")

export const localAnswer: TextForm<LocalAnswer> = { read: readLocalAnswer, write: writeLocalAnswer }

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
