import { assert, describe, it } from "@effect/vitest"
import { Query, readQuery } from "../../../src/dns/query.ts"
import { TextPeer } from "../../../src/io/peer.ts"
import { RingFollower, skipWritten } from "../../../src/telemetry/query-log/ring-follower.ts"
import { RECENT_QUERIES, recentMemory } from "../../../src/telemetry/recent-queries/ring.ts"
import { RecentQueryWriter } from "../../../src/telemetry/recent-queries/writer.ts"
import { encodeQuestion } from "../../support/servers/server.ts"

const client = new TextPeer({ address: "192.0.2.7", port: 5353 })
const query = new Query()
const wire = encodeQuestion({ name: "www.example.test" }, 1)
readQuery(query, wire, wire.length)

/** A ring that is written and followed; `note` writes so many queries whose sizes count up from `from`. */
const ring = () => {
  const memory = recentMemory()
  const positions = new SharedArrayBuffer(8)
  const writer = new RecentQueryWriter(
    memory,
    (ms) => ms + 1_000,
    () => true,
    (ms) => ms >= 1_000
  )
  const note = (count: number, from = 0): void => {
    for (let i = 0; i < count; i++) writer.note(client, "udp", query, "hit", 0, from + i, 1)
    writer.endBatch(0.25)
  }
  const follower = (): RingFollower => new RingFollower({ worker: 2, memory }, positions)
  return { memory, positions, note, follower }
}

const read = (follower: RingFollower): { readonly sizes: ReadonlyArray<number>; readonly lost: number } => {
  const sizes: Array<number> = []
  const lost = follower.read(({ replySize }) => sizes.push(replySize))
  return { sizes, lost }
}

describe("a ring that is followed", () => {
  it("gives each query once, in order", () => {
    const { note, follower } = ring()
    const one = follower()
    assert.deepStrictEqual(read(one), { sizes: [], lost: 0 })
    note(3)
    assert.deepStrictEqual(read(one), { sizes: [0, 1, 2], lost: 0 })
    note(2, 3)
    assert.deepStrictEqual(read(one), { sizes: [3, 4], lost: 0 })
  })

  it("says how many came round unread, and gives those that are there", () => {
    const { note, follower } = ring()
    const one = follower()
    note(RECENT_QUERIES + 123)
    const { sizes, lost } = read(one)
    assert.strictEqual(lost, 123)
    assert.strictEqual(sizes.length, RECENT_QUERIES)
    assert.strictEqual(sizes[0], 123)
  })

  it("is read on from where the reader before has ended", () => {
    const { note, follower } = ring()
    note(3)
    read(follower())
    note(2, 3)
    assert.deepStrictEqual(read(follower()).sizes, [3, 4])
  })

  it("is read from now on where that is wanted", () => {
    const { memory, positions, note, follower } = ring()
    note(3)
    skipWritten({ worker: 2, memory }, positions)
    note(1, 3)
    assert.deepStrictEqual(read(follower()).sizes, [3])
  })
})
