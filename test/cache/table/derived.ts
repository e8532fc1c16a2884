/** Answers whose every octet follows from their name, so that a wrong one is seen; and tables to keep them in. */
import type { Clock } from "effect"
import { Key } from "../../../src/cache/table/key.ts"
import { TableMemory } from "../../../src/cache/table/memory.ts"
import { AnswerTable, type CachedAnswer } from "../../../src/cache/table/table.ts"
import { parseName } from "../../../src/dns/name.ts"
import type { Question } from "../../../src/dns/question.ts"
import { HEADER_SIZE, putU16 } from "../../../src/dns/wire.ts"

/** A clock whose wall and monotonic time are set by hand. */
export const settableClock = () => {
  const time = { wallMs: 1_000_000, monotonicMs: 0 }
  const clock = {
    currentTimeMillisUnsafe: () => time.wallMs,
    monotonicTimeNanosUnsafe: () => BigInt(Math.round(time.monotonicMs * 1e6))
  } as Clock.Clock
  const advance = (ms: number): void => {
    time.wallMs += ms
    time.monotonicMs += ms
  }
  return { time, clock, advance }
}

export const tableOf = (octets: number, clock = settableClock().clock, onEviction = (): void => {}): AnswerTable =>
  new AnswerTable(TableMemory.create(octets, clock), 1, clock, onEviction)

export const questionOf = (number: number, type = 1): Question => ({
  name: parseName(`n${number}.derived.test`)!,
  type,
  class: 1,
  dnssecOk: false,
  checkingDisabled: false,
  view: 0,
  clientContext: undefined
})

/**
 * An answer to that question of `length` octets: header, question, then octets that follow from the question and from
 * where they stand.
 */
export const answerTo = (question: Question, length: number, version = 0): Uint8Array => {
  const { name, type } = question
  const answer = new Uint8Array(length)
  putU16(answer, 2, 0x8180)
  putU16(answer, 4, 1)
  answer.set(name, HEADER_SIZE)
  const end = HEADER_SIZE + name.length
  putU16(answer, end, type)
  putU16(answer, end + 2, 1)
  let state = type + version * 0x9e3779b1
  for (const octet of name) state = Math.imul(state ^ octet, 0x01000193)
  for (let i = end + 4; i < length; i++) answer[i] = Math.imul(state + i, 0x85ebca6b) >>> 13
  return answer
}

const key = new Key()

/** Valid until the next one. */
export const keyOf = (table: AnswerTable, question: Question, view = 0): Key => {
  key.ofQuestion({ ...question, view })
  table.hash(key)
  return key
}

export const store = (
  table: AnswerTable,
  question: Question,
  answer: Uint8Array,
  ttlSeconds = 3_600,
  view = 0
): boolean => table.store(keyOf(table, question, view), answer, ttlSeconds)

/** What the table has, alive or not. */
export const find = (table: AnswerTable, question: Question, view = 0): CachedAnswer | undefined =>
  table.lookup(keyOf(table, question, view))

export const octetsOf = (answer: CachedAnswer): Uint8Array => answer.wire.slice(0, answer.length)

export const isSame = (answer: CachedAnswer, expected: Uint8Array): boolean =>
  Buffer.compare(answer.wire.subarray(0, answer.length), expected) === 0
