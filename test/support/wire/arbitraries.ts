/** Arbitrary names, records and messages for property tests. */
import { Arbitrary, Schema } from "effect"
import {
  long,
  message,
  octets,
  opt,
  option,
  type Parts,
  pointer,
  QUESTION_NAME,
  question,
  record,
  word
} from "./messages.ts"

export const upTo = (maximum: number): Arbitrary.Arbitrary<number> =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum })))

export const oneOf = <A>(...choices: ReadonlyArray<Arbitrary.Arbitrary<A>>): Arbitrary.Arbitrary<A> =>
  Arbitrary.flatMap(upTo(choices.length - 1), (choice) => choices[choice]!)

export const constantOf = <A>(...values: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  Arbitrary.map(upTo(values.length - 1), (index) => values[index]!)

export const octetsUpTo = (maxLength: number, minLength = 0): Arbitrary.Arbitrary<Uint8Array> =>
  Arbitrary.map(Arbitrary.array(upTo(255), { minLength, maxLength }), (values) => Uint8Array.from(values))

const label = oneOf(
  octetsUpTo(5, 1),
  octetsUpTo(63, 1),
  constantOf("www", "a", "A", "*", "_tcp").pipe(Arbitrary.map((text) => Uint8Array.from(Buffer.from(text))))
)

/** In wire form, of any octets, at most 255 of them. */
export const name: Arbitrary.Arbitrary<Uint8Array> = Arbitrary.array(label, { maxLength: 12 }).pipe(
  Arbitrary.map((labels) => {
    let length = 1
    const kept = labels.filter((octetsOfLabel) => {
      if (length + octetsOfLabel.length + 1 > 255) return false
      length += octetsOfLabel.length + 1
      return true
    })
    return octets(...kept.flatMap((octetsOfLabel) => [[octetsOfLabel.length], octetsOfLabel]), [0])
  })
)

/** Data of a type, well-formed; names in it are written out, or point to the question. */
const data: Arbitrary.Arbitrary<readonly [type: number, data: Uint8Array]> = Arbitrary.flatMap(
  Arbitrary.all([upTo(9), oneOf(name, Arbitrary.Constant(pointer(QUESTION_NAME))), name, octetsUpTo(40), upTo(0xffff)]),
  ([kind, first, second, opaque, number]) => {
    const choices: ReadonlyArray<readonly [number, Uint8Array]> = [
      [1, octets(long(number * 65_537))],
      [28, octets(long(number), long(1), long(2), long(number))],
      [2, first],
      [5, first],
      [6, octets(first, second, long(1), long(2), long(3), long(4), long(number))],
      [15, octets(word(number), first)],
      [33, octets(word(1), word(2), word(number), first)],
      [16, octets([opaque.length], opaque)],
      [65, octets(word(1), second, opaque)],
      [65_280, opaque]
    ]
    return Arbitrary.Constant(choices[kind]!)
  }
)

const anyRecord: Arbitrary.Arbitrary<Uint8Array> = Arbitrary.map(
  Arbitrary.all([oneOf(name, Arbitrary.Constant(pointer(QUESTION_NAME))), data, upTo(0x7fffffff)]),
  ([owner, [type, rdata], ttl]) => record(owner, type, ttl, rdata)
)

const section = (maxLength: number): Arbitrary.Arbitrary<Array<Uint8Array>> => Arbitrary.array(anyRecord, { maxLength })

const anyOpt = Arbitrary.map(
  Arbitrary.all([
    upTo(0xffff),
    upTo(0xffff),
    Arbitrary.array(Arbitrary.all([upTo(0xffff), octetsUpTo(12)]), { maxLength: 3 })
  ]),
  ([size, flags, options]) =>
    opt({ size, flags, options: octets(...options.map(([code, value]) => option(code, value))) })
)

export interface AnyMessage {
  readonly name: Uint8Array
  readonly type: number
  readonly wire: Uint8Array
  readonly hasOpt: boolean
}

/** A well-formed message about one question, with records in every section and an OPT or none. */
const anyMessage = (flags: Arbitrary.Arbitrary<number>, records: number): Arbitrary.Arbitrary<AnyMessage> =>
  Arbitrary.map(
    Arbitrary.all([
      name,
      upTo(127),
      flags,
      section(records),
      section(records),
      section(records),
      upTo(1),
      anyOpt,
      upTo(0xffff)
    ]),
    ([owner, type, bits, answers, authorities, additionals, opts, edns, id]) => {
      const parts: Parts = {
        id,
        flags: bits,
        questions: [question(owner, type)],
        answers,
        authorities,
        additionals: opts === 1 ? [...additionals, edns] : additionals
      }
      return { name: owner, type, wire: message(parts), hasOpt: opts === 1 }
    }
  )

/** QR clear, opcode QUERY, RD set; the other bits as they come. */
export const anyQuery = anyMessage(
  Arbitrary.map(upTo(0x7ff), (bits) => bits | 0x0100),
  0
)

export const anyResponse = anyMessage(
  Arbitrary.map(upTo(15), (rcode) => 0x8180 | rcode),
  6
)

/** Messages, mostly well-formed, with some octets changed and the end cut off: what no parser may stumble over. */
export const brokenMessage: Arbitrary.Arbitrary<Uint8Array> = oneOf(
  octetsUpTo(150),
  Arbitrary.map(
    Arbitrary.all([
      oneOf(anyQuery, anyResponse),
      Arbitrary.array(Arbitrary.all([upTo(0xffff), oneOf(upTo(255), constantOf(0, 0xc0, 0xff, 63, 64))]), {
        maxLength: 6
      }),
      upTo(0xffff),
      upTo(3)
    ]),
    ([{ wire }, changes, cut, isCut]) => {
      const broken = wire.slice()
      for (const [at, octet] of changes) broken[at % broken.length] = octet
      return isCut === 0 ? broken.subarray(0, cut % (broken.length + 1)) : broken
    }
  )
)
