import { assert, describe, it } from "@effect/vitest"
import { Errno } from "../../../src/io/linux/libc.ts"
import type { SocketPath } from "../../../src/io/linux/receive-arena.ts"
import { SEND_BATCH, SendArena, type Sender } from "../../../src/io/linux/send-arena.ts"
import { writeSocketAddress } from "../../../src/io/linux/socket-address.ts"
import { TextPeer } from "../../../src/io/peer.ts"
import { payload } from "../../support/clients/inbox.ts"
import { FakeLibc, type SentMessage } from "../../support/faults/fake-libc.ts"

const ECONNREFUSED = 111

class TestSender implements Sender {
  readonly fd = 3
  merges = true
  readonly errors: Array<number> = []
  isWorthAnotherTry = true

  onSendError(errno: number): boolean {
    this.errors.push(errno)
    return this.isWorthAnotherTry
  }
}

/** The way back to a port of 192.0.2.1, from the address given if any. */
const pathTo = (port: number, asked?: ReadonlyArray<number>): SocketPath => {
  const memory = new Uint8Array(64)
  writeSocketAddress(memory, 0, { address: "192.0.2.1", port })
  if (asked !== undefined) memory.set(asked, 32)
  return {
    memory,
    peerAt: 0,
    localAt: asked === undefined ? -1 : 32,
    peer: new TextPeer({ address: "192.0.2.1", port })
  }
}

const setUp = () => {
  const kernel = new FakeLibc()
  const arena = new SendArena(kernel.library)
  const sender = new TestSender()
  const pushed: Array<string> = []
  const push = (length: number, path?: SocketPath): void => {
    const octets = payload(length, pushed.length)
    pushed.push(`${path === undefined ? -1 : path.peer.port} ${Buffer.from(octets).toString("hex")}`)
    arena.room().set(octets)
    arena.push(length, path)
  }
  return { kernel, arena, sender, push, pushed }
}

const arrived = (messages: ReadonlyArray<SentMessage>): ReadonlyArray<string> =>
  messages.flatMap(({ port, datagrams }) => datagrams.map((datagram) => `${port} ${datagram}`)).sort()

describe("datagrams that leave together", () => {
  it("share a message where they are of one length and to one peer, and arrive as they were", () => {
    const { kernel, arena, sender, push, pushed } = setUp()
    for (let i = 0; i < 90; i++) push(i % 3 === 0 ? 50 : 60, pathTo(1000 + (i % 5)))
    assert.strictEqual(arena.flush(sender), 0)
    assert.deepStrictEqual(arrived(kernel.sent), pushed.toSorted())
    // Two lengths to each of five peers.
    assert.strictEqual(kernel.sent.length, 10)
    assert.deepStrictEqual(kernel.calls, [10])
    assert.strictEqual(arena.count, 0)
  })

  it("do not share one where they are to leave from different addresses, or are alone", () => {
    const { kernel, arena, sender, push, pushed } = setUp()
    push(50, pathTo(1000, [127, 0, 0, 2]))
    push(50, pathTo(1000, [127, 0, 0, 3]))
    push(50, pathTo(1000))
    push(50, pathTo(1000, [127, 0, 0, 2]))
    push(51, pathTo(1000, [127, 0, 0, 2]))
    arena.flush(sender)
    assert.deepStrictEqual(arrived(kernel.sent), pushed.toSorted())
    assert.deepStrictEqual(
      kernel.sent.map(({ source, segmentSize }) => [source, segmentSize]),
      [
        ["127.0.0.2", 50],
        ["127.0.0.3", 0],
        [undefined, 0],
        ["127.0.0.2", 0]
      ]
    )
  })

  it("never make a message that the kernel would not cut: 64 pieces, 65,000 octets at most, none that is empty", () => {
    const { kernel, arena, sender, push, pushed } = setUp()
    for (let i = 0; i < 70; i++) push(20)
    for (let i = 0; i < 56; i++) push(1280)
    for (let i = 0; i < 2; i++) push(0)
    assert.isTrue(arena.isFull)
    arena.flush(sender)
    assert.deepStrictEqual(arrived(kernel.sent), pushed.toSorted())
    for (const { datagrams, segmentSize } of kernel.sent) {
      assert.isAtMost(datagrams.length, 64)
      assert.isAtMost(datagrams.length * segmentSize, 65_000)
    }
  })

  it("are as they were in every mixture: what fills the arena again and again", () => {
    const { kernel, arena, sender, push, pushed } = setUp()
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < SEND_BATCH; i++) {
        const number = round * SEND_BATCH + i
        const asked = number % 3 === 0 ? [127, 0, 0, number % 4] : undefined
        push([40, 41, 500, (number * number) % 1281][number % 4]!, pathTo(5000 + ((number * 7) % 11), asked))
      }
      assert.strictEqual(arena.flush(sender), 0)
    }
    assert.deepStrictEqual(arrived(kernel.sent), pushed.toSorted())
  })
})

describe("a kernel that will not cut messages apart", () => {
  for (const [name, errno] of Object.entries({ EIO: Errno.EIO, EINVAL: Errno.EINVAL, EMSGSIZE: Errno.EMSGSIZE })) {
    it(`gets each datagram by itself after ${name}, in this turn and in all later ones, and none is lost or sent twice`, () => {
      const { kernel, arena, sender, push, pushed } = setUp()
      kernel.onSend = (messages) => {
        const first = messages.findIndex(({ segmentSize }) => segmentSize > 0)
        return first < 0 ? messages.length : first === 0 ? -errno : first
      }
      push(70, pathTo(999))
      for (let i = 0; i < 30; i++) push(60, pathTo(1000 + (i % 2), [127, 0, 0, 2]))
      push(80, pathTo(999))
      assert.strictEqual(arena.flush(sender), 0)
      assert.isFalse(sender.merges)
      assert.deepStrictEqual(sender.errors, [])
      assert.deepStrictEqual(arrived(kernel.sent), pushed.toSorted())
      for (let i = 0; i < 10; i++) push(60, pathTo(1000))
      kernel.calls.length = 0
      arena.flush(sender)
      assert.deepStrictEqual(kernel.calls, [10])
      assert.deepStrictEqual(arrived(kernel.sent), pushed.toSorted())
    })
  }
})

describe("a kernel that takes some messages", () => {
  it("is given the others", () => {
    const { kernel, arena, sender, push, pushed } = setUp()
    kernel.onSend = (messages) => Math.min(messages.length, 3)
    for (let i = 0; i < 10; i++) push(50 + i)
    assert.strictEqual(arena.flush(sender), 0)
    assert.deepStrictEqual(kernel.calls, [10, 7, 4, 1])
    assert.deepStrictEqual(arrived(kernel.sent), pushed.toSorted())
  })

  it("is asked again when a signal came in between (EINTR)", () => {
    const { kernel, arena, sender, push, pushed } = setUp()
    const answers = [-Errno.EINTR, 2, -Errno.EINTR, -Errno.EINTR, 8]
    kernel.onSend = () => answers.shift()!
    for (let i = 0; i < 10; i++) push(50 + i)
    assert.strictEqual(arena.flush(sender), 0)
    assert.deepStrictEqual(kernel.calls, [10, 10, 8, 8, 8])
    assert.deepStrictEqual(arrived(kernel.sent), pushed.toSorted())
    assert.deepStrictEqual(sender.errors, [])
  })

  it("loses what it has no room for (EAGAIN), which is counted, datagrams that share a message each", () => {
    const { kernel, arena, sender, push } = setUp()
    kernel.onSend = () => (kernel.calls.length === 1 ? 1 : -Errno.EAGAIN)
    push(40)
    for (let i = 0; i < 5; i++) push(50)
    push(60)
    assert.strictEqual(arena.flush(sender), 6)
    assert.deepStrictEqual(kernel.calls, [3, 2])
    assert.isTrue(sender.merges)
    assert.strictEqual(arena.count, 0)
  })
})

describe("an error of a datagram sent before", () => {
  it("is told of, and what was to be sent goes, shared messages as they are", () => {
    const { kernel, arena, sender, push, pushed } = setUp()
    kernel.onSend = (messages) => (kernel.calls.length === 1 ? -ECONNREFUSED : messages.length)
    for (let i = 0; i < 5; i++) push(50)
    push(60)
    assert.strictEqual(arena.flush(sender), 0)
    assert.deepStrictEqual(sender.errors, [ECONNREFUSED])
    assert.deepStrictEqual(arrived(kernel.sent), pushed.toSorted())
    assert.isTrue(sender.merges)
    assert.strictEqual(kernel.sent.length, 2)
  })

  it("that does not end costs the message that meets it twice, and no other", () => {
    const { kernel, arena, sender, push } = setUp()
    kernel.onSend = (messages) => (messages[0]!.datagrams[0]!.length === 2 * 51 ? -ECONNREFUSED : 1)
    for (let i = 0; i < 3; i++) push(50 + i)
    assert.strictEqual(arena.flush(sender), 1)
    assert.deepStrictEqual(sender.errors, [ECONNREFUSED, ECONNREFUSED])
    assert.deepStrictEqual(
      kernel.sent.map(({ datagrams }) => datagrams[0]!.length / 2),
      [50, 52]
    )
  })

  it("is not tried again where the sender says so", () => {
    const { kernel, arena, sender, push } = setUp()
    sender.isWorthAnotherTry = false
    kernel.onSend = () => -ECONNREFUSED
    for (let i = 0; i < 3; i++) push(50 + i)
    assert.strictEqual(arena.flush(sender), 3)
    assert.deepStrictEqual(kernel.calls, [3, 2, 1])
  })
})
