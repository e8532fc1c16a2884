import { assert, describe, it } from "@effect/vitest"
import { TextPeer } from "../../../src/io/peer.ts"
import { networkKeyOf } from "../../../src/query/admission/network-key.ts"
import { RateTable, rateTableOctets } from "../../../src/query/admission/rate-table.ts"

const tableOf = (): RateTable => new RateTable(new SharedArrayBuffer(rateTableOctets()), 0)
const takeMany = (table: RateTable, hash: number, count: number, intervalMs: number, burstMs: number, nowMs: number) =>
  Array.from({ length: count }, () => table.take(hash, intervalMs, burstMs, nowMs)).filter(Boolean).length

describe("a rate", () => {
  it("lets a burst pass at once, and then one an interval", () => {
    const table = tableOf()
    assert.strictEqual(takeMany(table, 7, 100, 10, 40, 1_000), 5)
    assert.strictEqual(takeMany(table, 7, 100, 10, 40, 1_010), 1)
    assert.strictEqual(takeMany(table, 7, 100, 10, 40, 1_035), 2)
    assert.strictEqual(takeMany(table, 7, 100, 10, 40, 9_000), 5)
  })

  it("holds for bursts of more than a day, and for less than one a day", () => {
    assert.strictEqual(takeMany(tableOf(), 7, 200_000, 1_000, 100_000 * 1_000, 0), 100_001)
    const table = tableOf()
    assert.strictEqual(takeMany(table, 7, 10, 100_000_000, 0, 0), 1)
    assert.strictEqual(takeMany(table, 7, 10, 100_000_000, 0, 99_999_999), 0)
  })

  it("is kept for each hash by itself, and of more than there is room for the fast ones are", () => {
    const table = tableOf()
    for (let hash = 1; hash <= 10; hash++) assert.strictEqual(takeMany(table, hash, 10, 1_000, 2_000, 0), 3)
    const fast = 0x1234567
    takeMany(table, fast, 100, 1_000, 50_000, 0)
    for (let other = 1; other < 500_000; other++) table.take(Math.imul(other, 0x9e3779b1) | 1, 1_000, 50_000, 0)
    assert.strictEqual(takeMany(table, fast, 100, 1_000, 50_000, 0), 0)
  })

  it("is one in all threads: the memory is the same", () => {
    const memory = new SharedArrayBuffer(rateTableOctets())
    assert.strictEqual(takeMany(new RateTable(memory, 0), 7, 10, 1_000, 2_000, 0), 3)
    assert.strictEqual(takeMany(new RateTable(memory, 0), 7, 10, 1_000, 2_000, 0), 0)
  })
})

describe("the key of a network", () => {
  const keyOf = (address: string, ipv4 = 24, ipv6 = 56): number =>
    networkKeyOf(new TextPeer({ address, port: 1 }), { ipv4, ipv6 }, 42)

  it("is the same within the prefix, and another outside of it", () => {
    assert.strictEqual(keyOf("192.0.2.1"), keyOf("192.0.2.255"))
    assert.strictEqual(keyOf("192.0.2.1"), keyOf("::ffff:192.0.2.9"))
    assert.notStrictEqual(keyOf("192.0.2.1"), keyOf("192.0.3.1"))
    assert.notStrictEqual(keyOf("192.0.2.1", 32), keyOf("192.0.2.2", 32))
    assert.strictEqual(keyOf("2001:db8:0:1::1"), keyOf("2001:db8:0:ff::2"))
    assert.notStrictEqual(keyOf("2001:db8:0:1::1"), keyOf("2001:db8:0:100::1"))
    assert.notStrictEqual(keyOf("2001:db8::1", 32, 128), keyOf("2001:db8::2", 32, 128))
  })
})
