import { assert, describe, it } from "@effect/vitest"
import { FrameReader, frame } from "../../src/io/frames.ts"

const messages = [[1, 2, 3], [], [4], Array.from({ length: 300 }, (_, i) => i & 255)]
const stream = Buffer.concat(messages.map((message) => frame(Uint8Array.from(message))))

const readIn = (pieces: ReadonlyArray<Buffer>): ReadonlyArray<ReadonlyArray<number>> => {
  const reader = new FrameReader()
  const got: Array<Array<number>> = []
  for (const piece of pieces) reader.push(piece, (message) => got.push([...message]))
  assert.isFalse(reader.isInsideFrame)
  return got
}

describe("FrameReader", () => {
  it("reads several messages from one chunk (RFC 7766 §8)", () => assert.deepStrictEqual(readIn([stream]), messages))

  it("reads messages in pieces of any size", () => {
    for (let size = 1; size < 50; size++) {
      const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, i) =>
        Buffer.from(stream.subarray(i * size, (i + 1) * size))
      )
      assert.deepStrictEqual(readIn(pieces), messages)
    }
  })

  it("knows whether it is inside a message, from its first octet of length on", () => {
    const reader = new FrameReader()
    assert.isFalse(reader.isInsideFrame)
    for (const octet of [0, 2, 9]) {
      reader.push(Buffer.from([octet]), () => assert.fail("not whole yet"))
      assert.isTrue(reader.isInsideFrame)
    }
    reader.push(Buffer.from([8]), (message) => assert.deepStrictEqual([...message], [9, 8]))
    assert.isFalse(reader.isInsideFrame)
  })

  it("carries a message of 65,535 octets (RFC 1035 §4.2.2)", () => {
    const largest = new Uint8Array(65_535).fill(7)
    assert.deepStrictEqual([...frame(largest).slice(0, 3)], [255, 255, 7])
    assert.strictEqual(readIn([Buffer.from(frame(largest))])[0]?.length, 65_535)
  })
})
