/** Stores and lookups of answers that are right only whole: used by many threads on one table. */
import type { Clock } from "effect"
import { TableMemory } from "../../../src/cache/table/memory.ts"
import { AnswerTable } from "../../../src/cache/table/table.ts"
import { HEADER_SIZE, putU32, u32 } from "../../../src/dns/wire.ts"
import { seeded } from "../../support/wire/messages.ts"
import { answerTo, find, isSame, questionOf, store } from "./derived.ts"

export interface HammerOptions {
  readonly memory: SharedArrayBuffer
  /** Two cells: whether to stop; how often anybody struck. */
  readonly control: SharedArrayBuffer
  readonly writer: number
  readonly names: number
}

export interface HammerCounts {
  lookups: number
  hits: number
  wrong: number
}

const VERSION_AT = HEADER_SIZE + 30

export class Hammer {
  readonly table: AnswerTable
  readonly counts: HammerCounts = { lookups: 0, hits: 0, wrong: 0 }
  private readonly options: HammerOptions
  private readonly control: Int32Array
  private readonly random: (below: number) => number

  constructor(options: HammerOptions, clock: Clock.Clock) {
    this.options = options
    this.control = new Int32Array(options.control)
    this.table = new AnswerTable(new TableMemory(options.memory), options.writer, clock, () => {})
    this.random = seeded(options.writer)
  }

  get isToldToStop(): boolean {
    return Atomics.load(this.control, 0) !== 0
  }

  /** Some lookups and stores; a few names are asked for far more often than the rest. */
  strike(): void {
    for (let i = 0; i < 100; i++) {
      const number = this.random(this.random(3) === 0 ? 8 : this.options.names)
      this.check(number)
      if (this.random(2) === 0) this.put(number)
    }
    Atomics.add(this.control, 1, 1)
  }

  check(number: number): void {
    const question = questionOf(number)
    this.counts.lookups++
    const found = find(this.table, question)
    if (found === undefined) return
    this.counts.hits++
    const version = u32(found.wire, VERSION_AT)
    if (!isSame(found, versionOf(number, version))) this.counts.wrong++
  }

  put(number: number): void {
    store(this.table, questionOf(number), versionOf(number, this.random(2 ** 31)))
  }
}

/** The answer says in its own octets which it is; the length follows from that. */
const versionOf = (number: number, version: number): Uint8Array => {
  const length = VERSION_AT + 4 + (version % 7 === 0 ? version % 3_000 : number % 150)
  const answer = answerTo(questionOf(number), length, version)
  putU32(answer, VERSION_AT, version)
  return answer
}
