/**
 * A question that an upstream has answered well: probes ask it again.
 *
 * An upstream may answer for some names only: a site that reaches nothing outside knows its own zone and is silent
 * about the root. So the questions that it has answered say more than any question of ours could.
 *
 * It is kept in memory that all threads share: the thread that checks an upstream may never have had an answer from it.
 * It is written without a lock, under a checksum: where two threads write at once, or one dies in the middle, there is
 * no question until the next one is noted.
 */
import { Class, Type } from "../../dns/codes.ts"
import type { Question } from "../../dns/question.ts"
import { copyOctets, copyOf, putU16, putU32, u8, u16, u32 } from "../../dns/wire.ts"
import { stableHash } from "../../runtime/stable-hash.ts"
import { Time, type UpstreamState } from "./shared-state.ts"

/** The shortest time between two notes: threads that write to one place slow each other down. */
const NOTED_EVERY_MS = 1_000
const TYPE_AT = 4
const LENGTH_AT = 6
const NAME_AT = 7

export class KnownQuestion {
  private readonly octets: Uint8Array
  private readonly times: Float64Array

  constructor({ question, times }: UpstreamState) {
    this.octets = question
    this.times = times
  }

  /** The question was answered well. */
  note({ name, type }: Question, nowMs: number): void {
    if (nowMs - this.times[Time.Noted]! < NOTED_EVERY_MS) return
    this.times[Time.Noted] = nowMs
    const { octets } = this
    putU16(octets, TYPE_AT, type)
    octets[LENGTH_AT] = name.length
    copyOctets(name, 0, name.length, octets, NAME_AT)
    putU32(octets, 0, checksumOf(octets))
  }

  /** The question noted last; undefined where there is none, or it is being written. */
  read(): Question | undefined {
    const copy = copyOf(this.octets, 0, this.octets.length)
    const length = u8(copy, LENGTH_AT)
    if (length === 0 || u32(copy, 0) !== checksumOf(copy)) return undefined
    return questionFor(copy.slice(NAME_AT, NAME_AT + length), u16(copy, TYPE_AT))
  }
}

/** A question of this server's own. */
export const questionFor = (name: Uint8Array, type: number): Question => ({
  name,
  type,
  class: Class.IN,
  dnssecOk: false,
  checkingDisabled: false,
  view: 0,
  clientContext: undefined
})

/** A question that any server can answer from its cache: the name servers of the root. */
export const rootServers: Question = questionFor(Uint8Array.of(0), Type.NS)

const checksumOf = (octets: Uint8Array): number =>
  stableHash(octets.subarray(TYPE_AT, NAME_AT + u8(octets, LENGTH_AT))) >>> 0
