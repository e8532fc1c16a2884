import { assert, describe, it } from "@effect/vitest"
import { NameWriter } from "../../src/dns/compression.ts"
import { formatName, readName } from "../../src/dns/name.ts"
import { NameTable, NO_NAME, ROOT } from "../../src/dns/name-table.ts"
import { octets, pointer, wireName, withPointer } from "../support/wire/messages.ts"

const HEADER = new Uint8Array(12)

const tableOf = (...parts: ReadonlyArray<Uint8Array>): NameTable => {
  const table = new NameTable(0x5eed)
  const wire = octets(...parts)
  table.begin(wire, wire.length)
  return table
}

/** Reads names one after the other, and writes them again behind a header. */
const writtenAgain = (
  ...parts: ReadonlyArray<Uint8Array>
): { readonly out: Uint8Array; readonly ends: Array<number> } => {
  const table = tableOf(...parts)
  const out = new Uint8Array(70_000)
  const writer = new NameWriter(table, out)
  const ends = [12]
  for (let from = 0; from < table.wire.length; from = table.next)
    ends.push(writer.write(table.read(from), ends.at(-1)!))
  return { out, ends }
}

describe("the names of a message", () => {
  it("have one number each, in whatever case and however they are compressed", () => {
    const table = tableOf(
      HEADER,
      wireName("www.Example.com"),
      wireName("WWW.example.COM"),
      withPointer("wWw", 16),
      pointer(12)
    )
    const name = table.read(12)
    assert.deepStrictEqual(
      [29, 46, 52].map((at) => table.read(at)),
      [name, name, name]
    )
    assert.notStrictEqual(table.read(16), name)
    assert.strictEqual(formatName(table.octetsOf(name)), "www.example.com")
    assert.strictEqual(table.size[name], 17)
  })

  it("are other names where one label differs, or where labels are cut otherwise", () => {
    const texts = ["a.example", "b.example", "a.example.", "a\\.example", "aa.example", "a.a.example", "example", "."]
    const names = texts.map(wireName)
    const table = tableOf(...names)
    const numbers: Array<number> = []
    for (let from = 0; from < table.wire.length; from = table.next) numbers.push(table.read(from))
    assert.strictEqual(numbers[2], numbers[0])
    assert.strictEqual(numbers.at(-1), ROOT)
    assert.strictEqual(new Set(numbers).size, numbers.length - 1)
  })

  it("end where they stand, not where their pointers lead", () => {
    const table = tableOf(HEADER, wireName("example"), withPointer("a", 12), withPointer("b", 21))
    assert.notStrictEqual(table.read(25), NO_NAME)
    assert.strictEqual(table.next, 29)
    assert.notStrictEqual(table.read(21), NO_NAME)
    assert.strictEqual(table.next, 25)
    table.read(12)
    assert.strictEqual(table.next, 21)
  })

  it("are none where pointers lead into the header", () => {
    for (let at = 0; at < 12; at++) {
      assert.strictEqual(tableOf(HEADER, wireName("a"), pointer(at)).read(15), NO_NAME, String(at))
    }
    assert.notStrictEqual(tableOf(HEADER, wireName("a"), pointer(12)).read(15), NO_NAME)
  })

  it("are none where pointers lead forwards, to themselves or in a circle (RFC 9267 §2)", () => {
    for (const wire of [pointer(12), pointer(14), withPointer("a", 12), octets(pointer(14), pointer(12))]) {
      assert.strictEqual(tableOf(HEADER, wire).read(12), NO_NAME)
    }
    assert.strictEqual(tableOf(HEADER, withPointer("a", 16), withPointer("b", 12)).read(16), NO_NAME)
  })

  it("are none where they run past the end, or are longer than 63 and 255 octets (RFC 1035 §2.3.4)", () => {
    const label = (length: number) => octets(length, new Uint8Array(length).fill(0x78))
    assert.strictEqual(tableOf(octets(3, 0x61)).read(0), NO_NAME)
    assert.strictEqual(tableOf(octets(1, 0x61)).read(0), NO_NAME)
    assert.strictEqual(tableOf(octets(0xc0)).read(0), NO_NAME)
    assert.strictEqual(tableOf(octets(label(64), 0)).read(0), NO_NAME)
    const whole = octets(label(63), label(63), label(63), label(61), 0)
    assert.notStrictEqual(tableOf(whole).read(0), NO_NAME)
    assert.strictEqual(tableOf(octets(label(63), label(63), label(63), label(62), 0)).read(0), NO_NAME)
    assert.strictEqual(tableOf(whole, withPointer("a", 0)).read(255), NO_NAME, "by a pointer")
    const table = tableOf(whole, withPointer("a", 0))
    table.read(0)
    assert.strictEqual(table.read(255), NO_NAME, "by a pointer to one that is known")
  })

  it("of the message before are forgotten, however many there were", () => {
    const table = new NameTable(1)
    const wire = wireName("a.b")
    for (let message = 0; message < 140_000; message++) {
      table.begin(wire, wire.length)
      table.marks[table.read(0)] = 1
    }
    const other = wireName("b.a")
    table.begin(other, other.length)
    const name = table.read(0)
    assert.strictEqual(formatName(table.octetsOf(name)), "b.a")
    assert.strictEqual(table.marks[name], 0)
  })
})

describe("names that are written", () => {
  it("end in a pointer to the longest end that is there, and read the same", () => {
    const texts = ["www.example.com", "mail.example.com", "www.example.com", "com", "ns.www.example.com", "other.test"]
    const { out, ends } = writtenAgain(...texts.map(wireName))
    const lengths = ends.slice(1).map((end, i) => end - ends[i]!)
    assert.deepStrictEqual(lengths, [17, 7, 2, 2, 5, 12])
    const name = new Uint8Array(255)
    const read = ends.slice(0, -1).map((at) => formatName(name.slice(0, readName(out, at, out.length, name, 0))))
    assert.deepStrictEqual(read, texts)
  })

  it("are compressed however many came before", () => {
    const names = Array.from({ length: 500 }, (_, i) => wireName(`host${i}.zone${i % 50}.example.com`))
    const { ends } = writtenAgain(...names, ...names)
    const again = ends.slice(501).map((end, i) => end - ends[500 + i]!)
    assert.deepStrictEqual(new Set(again), new Set([2]))
  })
})
