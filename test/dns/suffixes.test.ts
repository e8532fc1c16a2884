import { assert, describe, it } from "@effect/vitest"
import { formatName, parseName } from "../../src/dns/name.ts"
import { ancestorsOf, NameMap, Suffixes } from "../../src/dns/suffixes.ts"
import { seeded, wireName } from "../support/wire/messages.ts"

const HEADER = 12

/** The name as it lies in a message. */
const inMessage = (name: Uint8Array): Uint8Array => Uint8Array.from([...new Uint8Array(HEADER), ...name])

const found = <A>(map: NameMap<A>, name: string): ReadonlyArray<A | undefined> => {
  const wire = wireName(name)
  const suffixes = new Suffixes()
  const message = inMessage(wire)
  suffixes.read(message, HEADER, wire.length)
  return Array.from({ length: suffixes.count }, (_, i) => map.find(message, suffixes, i))
}

describe("NameMap", () => {
  it("finds a name by each suffix of one that is asked for, in either case, at label boundaries", () => {
    const map = new NameMap<string>()
    for (const name of ["example", "b.Example", "."]) map.set(wireName(name), name)
    assert.deepStrictEqual(found(map, "a.B.example"), [undefined, "b.Example", "example", "."])
    assert.deepStrictEqual(found(map, "ab.example"), [undefined, "example", "."])
    assert.deepStrictEqual(found(map, "."), ["."])
  })

  it("keeps one value a name", () => {
    const map = new NameMap<number>()
    map.set(wireName("a.test"), 1)
    map.set(wireName("A.TEST"), 2)
    assert.strictEqual(map.get(wireName("a.test")), 2)
    assert.isUndefined(map.get(wireName("test")))
  })

  it("finds what it holds, and nothing else, whatever the names", () => {
    const random = seeded(41)
    const draw = (): string => Array.from({ length: 1 + random(4) }, () => "abc"[random(3)]).join(".")
    const held = new Set(Array.from({ length: 30 }, draw))
    const map = new NameMap<string>()
    for (const name of held) map.set(wireName(name), name)
    for (let n = 0; n < 500; n++) {
      const name = draw()
      const labels = name.split(".")
      const expected = labels
        .map((_, i) => labels.slice(i).join("."))
        .map((each) => (held.has(each) ? each : undefined))
      assert.deepStrictEqual(found(map, name), [...expected, undefined], name)
    }
  })

  it("takes the longest name that there is: 127 labels of one octet", () => {
    const name = Array.from({ length: 127 }, () => "x").join(".")
    const map = new NameMap<string>()
    map.set(wireName(name), "all of it")
    map.set(wireName("x"), "the last")
    const all = found(map, name)
    assert.strictEqual(all.length, 128)
    assert.strictEqual(all[0], "all of it")
    assert.strictEqual(all[126], "the last")
  })
})

describe("ancestorsOf", () => {
  it("is the names above, the nearest first", () => {
    assert.deepStrictEqual(
      ancestorsOf(parseName("a.b.c")!).map((name) => formatName(name)),
      ["b.c", "c", "."]
    )
    assert.deepStrictEqual(ancestorsOf(parseName(".")!), [])
  })
})
