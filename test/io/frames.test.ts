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

  it("hands out messages that stay as they are, whatever comes behind them", () => {
    const reader = new FrameReader()
    const got: Array<Uint8Array> = []
    for (let round = 0; round < 20; round++) {
      for (let at = 0; at < stream.length; at += 7 + round) {
        reader.push(Buffer.from(stream.subarray(at, at + 7 + round)), (message) => got.push(message))
      }
    }
    assert.deepStrictEqual(
      got.map((message) => [...message]),
      Array.from({ length: 20 }, () => messages).flat()
    )
  })

  it("does not keep the chunk in which a message has only begun", () => {
    const reader = new FrameReader()
    const chunk = Buffer.alloc(60_000)
    chunk.set(frame(Uint8Array.of(1, 2)), 0)
    chunk.set([0, 3, 9], 4)
    reader.push(chunk.subarray(0, 7), () => {})
    reader.push(Buffer.of(8, 7), (message) => {
      assert.deepStrictEqual([...message], [9, 8, 7])
      assert.isBelow(message.buffer.byteLength, 100)
    })
  })

  it("gives no room for what only a length promises", () => {
    const reader = new FrameReader()
    reader.push(Buffer.of(255, 255, 1), () => {})
    reader.append(Buffer.alloc(1000))
    let held = 0
    const { allocUnsafeSlow } = Buffer
    Buffer.allocUnsafeSlow = (size) => {
      held = size
      return allocUnsafeSlow(size)
    }
    reader.append(Buffer.alloc(2000))
    Buffer.allocUnsafeSlow = allocUnsafeSlow
    assert.isBelow(held, 7000)
  })

  it("puts a message together from single octets in memory that grows with it, not once more for each octet", () => {
    const { allocUnsafeSlow, concat } = Buffer
    for (const size of [500, 8_000, 65_535]) {
      let made = 0
      Buffer.allocUnsafeSlow = (length) => {
        made += length
        return allocUnsafeSlow(length)
      }
      Buffer.concat = (parts) => {
        const joined = concat(parts)
        made += joined.length
        return joined
      }
      const reader = new FrameReader()
      const whole: Array<number> = []
      for (const octet of frame(new Uint8Array(size))) {
        reader.push(Buffer.of(octet), (message) => whole.push(message.length))
      }
      Buffer.allocUnsafeSlow = allocUnsafeSlow
      Buffer.concat = concat
      assert.deepStrictEqual(whole, [size])
      assert.isBelow(made, 4 * size)
    }
  })
})
