/**
 * Answers of the server's own as a map: `{ name: nas.home, addresses: [192.168.1.7, "fd00::7"] }`,
 * `{ name: home, type: MX, data: 10 mail.home }`, `{ name: home, text: "v=spf1 -all" }`.
 *
 * A map may be several records: one for each address.
 */
import { Result, type Schema } from "effect"
import { Type } from "../../dns/codes.ts"
import { DEFAULT_TTL_SECONDS, type LocalAnswer, MAX_TTL_SECONDS, readOwner, writeOwner } from "../codec/local-answer.ts"
import {
  type RecordData,
  readRecordData,
  readStrings,
  recordTypes,
  textRecord,
  writeRecordData
} from "../codec/record-data.ts"
import type { Read, TextForm } from "../codec/text-form.ts"
import { readWords } from "../codec/words.ts"
import { fromText, number } from "../schema/setting.ts"
import { conditionFields, conditionsOf, keysOf } from "./condition-fields.ts"
import { field, fromMap, oneOrMore, rawText, requiredField, type Wrong, wrongAt } from "./map.ts"

const owner: TextForm<Uint8Array> = {
  read: (text) => {
    const name = readOwner(text)
    return name === undefined ? Result.fail("a name") : Result.succeed(name)
  },
  write: writeOwner
}

const recordType: TextForm<string> = {
  read: (text) => {
    const type = text.toUpperCase()
    return recordTypes.includes(type) ? Result.succeed(type) : Result.fail(`a type of ${recordTypes.join(", ")}`)
  },
  write: (type) => type
}

const address: TextForm<RecordData> = {
  read: (text) => readRecordData(text.includes(":") ? "AAAA" : "A", wordsOf(text), ""),
  write: (record) => writeRecordData(record)[1]
}

const fields = {
  name: requiredField(
    fromText(owner, { kind: "text", examples: ["nas.home", "*.apps.home"] }),
    "the name that is answered; * as its first label is for the names below",
    "a name"
  ),
  ttl: field(
    number({ min: 0, max: MAX_TTL_SECONDS, unit: "seconds" }),
    `seconds that the answer may be kept; by default ${DEFAULT_TTL_SECONDS}`
  ),
  addresses: field(
    oneOrMore(fromText(address, { kind: "text", examples: ["192.168.1.7", "fd00::7"] })),
    "a record of type A or AAAA for each"
  ),
  text: field(oneOrMore(rawText, { isDivided: false }), "a record of type TXT, of one string or several, as they are"),
  type: field(fromText(recordType, { kind: "word", words: recordTypes, isAnyCase: true }), "of data; by default A"),
  data: field(rawText, "the record's data, as in a zone's file: 10 mail.home"),
  ...conditionFields
}

type Fields = Schema.Struct<typeof fields>["Type"]

const ONE_OF_THREE = "one of addresses, text, or type and data"

const readRecords = ({ addresses, text, type, data }: Fields): Result.Result<ReadonlyArray<RecordData>, Wrong> => {
  if ([addresses, text, data].filter((each) => each !== undefined).length !== 1) {
    return Result.fail({ expected: ONE_OF_THREE })
  }
  if (addresses !== undefined) {
    if (addresses.length === 0) return Result.fail({ key: "addresses", expected: "at least one" })
    return type === undefined
      ? Result.succeed(addresses)
      : Result.fail({ key: "type", expected: "no type beside addresses: each has its own" })
  }
  if (text !== undefined) {
    if (type !== undefined && type !== "TXT")
      return Result.fail({ key: "type", expected: "TXT, or nothing, beside text" })
    return one(wrongAt(textRecord(text.map((string) => Buffer.from(string, "utf8"))), "text"))
  }
  return one(wrongAt(readData(type ?? "A", data!), "data"))
}

const one = Result.map((record: RecordData): ReadonlyArray<RecordData> => [record])

/** The data of a TXT record is written in quotes, as in a zone's file, or is the text itself. */
const readData = (type: string, data: string): Read<RecordData> => {
  if (type !== "TXT") return readRecordData(type, wordsOf(data), "")
  const words = readWords(data) ?? []
  return words.length > 0 && words.every(({ isQuoted }) => isQuoted)
    ? readStrings(words.map((word) => word.text))
    : textRecord([Buffer.from(data, "utf8")])
}

const wordsOf = (data: string): ReadonlyArray<string> => data.split(/\s+/).filter((word) => word !== "")

const read = (map: Fields): Result.Result<ReadonlyArray<LocalAnswer>, Wrong> =>
  Result.flatMap(conditionsOf(map), (conditions) =>
    Result.map(readRecords(map), (records) =>
      records.map((record) => ({
        ...conditions,
        name: map.name,
        ttlSeconds: map.ttl ?? DEFAULT_TTL_SECONDS,
        ...record
      }))
    )
  )

const isAddress = ({ type }: RecordData): boolean => type === Type.A || type === Type.AAAA

/** Of several records, which have to be of one name, the addresses. */
const write = (answers: ReadonlyArray<LocalAnswer>): Fields => {
  const first = answers[0]!
  const [type, data] = writeRecordData(first)
  return {
    name: first.name,
    ttl: first.ttlSeconds,
    ...(answers.every(isAddress)
      ? { addresses: answers.map((answer) => ({ type: answer.type, data: answer.data })) }
      : { type, data }),
    ...keysOf(first)
  }
}

export const localAnswerMap = fromMap("localAnswer", fields, { read, write })
