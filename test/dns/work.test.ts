/** What an answer costs to read, counted in steps: in proportion to its octets, whatever an attacker puts into it. */
import { assert, describe, it } from "@effect/vitest"
import { joinAnswers, normalise, stepsTaken } from "../../src/dns/response.ts"
import {
  ANY_TTL,
  asked,
  octets,
  pointer,
  QUESTION_NAME,
  question,
  record,
  wireName,
  word
} from "../support/wire/messages.ts"
import { dearMakers } from "../support/wire/packets/dear.ts"

const STEPS_PER_OCTET = 1.5
const sizes = [1_100, 16_000, 65_535]
const here = pointer(QUESTION_NAME)

const messageOf = (records: ReadonlyArray<Uint8Array>, name: string, flags = 0x8180): Uint8Array =>
  Buffer.concat([
    octets(word(0x1234), word(flags), word(1), word(records.length), word(0), word(0), question(name)),
    ...records
  ])

describe("the work for an answer", () => {
  for (const make of dearMakers) {
    it(`grows with its octets and no faster: ${make(1_100).what}`, () => {
      for (const size of sizes) {
        const { question: to, wire } = make(size)
        assert.isAbove(wire.length, 0.75 * size)
        normalise(wire, wire.length, to, ANY_TTL)
        assert.isAtMost(stepsTaken() / wire.length, STEPS_PER_OCTET)
      }
    })
  }

  it("grows with its octets when answers are joined, over and over", () => {
    const links = (from: number, count: number): ReadonlyArray<Uint8Array> =>
      Array.from({ length: count }, (_, i) =>
        record(i === 0 ? here : wireName(`n${from + i}.test`), 5, 60, wireName(`n${from + i + 1}.test`))
      )
    let joined = normalised(messageOf(links(0, 20), "n0.test"), "n0.test")
    for (let leg = 1; leg <= 8; leg++) {
      const name = `n${20 * leg}.test`
      const addresses = Array.from({ length: leg === 8 ? 3_800 : 0 }, (_, i) =>
        record(here, 1, 60, octets(word(i), word(i)))
      )
      const tail = normalised(messageOf([...links(20 * leg, leg === 8 ? 0 : 20), ...addresses], name), name)
      joined = joinAnswers(joined, tail, asked("n0.test"))!
      assert.isAtMost(stepsTaken() / joined.length, 2 * STEPS_PER_OCTET)
    }
    assert.isAbove(joined.length, 60_000)
  })

  it("ends early where labels collide, which takes somebody who knows how the table hashes", () => {
    // Pairs of octets whose difference the hash loses, whatever its key: 128 labels that fall into one slot.
    const colliding = Array.from({ length: 128 }, (_, bits) => {
      const label = new Uint8Array(64).fill(0x81)
      label[0] = 63
      for (let block = 0; block < 7; block++) {
        if (((bits >> block) & 1) === 0) continue
        label[8 * block + 3]! ^= 0x80
        label[8 * block + 7]! ^= 0x80
        label[8 * block + 6]! ^= 0x01
      }
      return record(here, 2, 60, octets(label, 0))
    })
    const to = asked("www.example.com", 2)
    const wire = messageOf(colliding, "www.example.com")
    wire[12 + 17 + 1] = 2
    assert.isUndefined(normalise(wire, wire.length, to, ANY_TTL))
    assert.isAtMost(stepsTaken(), STEPS_PER_OCTET * wire.length)
  })
})

const normalised = (wire: Uint8Array, name: string): Uint8Array =>
  normalise(wire, wire.length, asked(name), ANY_TTL)!.wire
