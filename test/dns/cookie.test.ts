/** Server cookies as RFC 9018 makes them: its test vectors, and what a cookie is good for. */
import { assert, describe, it } from "@effect/vitest"
import { answerCookie, COOKIE_SIZE, type CookieState, isCookieSize } from "../../src/dns/cookie.ts"
import { sipHash } from "../../src/dns/siphash.ts"

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"))
const text = (octets: Uint8Array): string => Buffer.from(octets).toString("hex")

const SECRET = hex("e5e973e5a6b2a43f48e7dc849e37bfcf")
const HOST = Uint8Array.of(198, 51, 100, 100)
const CLIENT = "2464c4abcf10c957"

interface Answered {
  readonly state: CookieState
  readonly cookie: string
}

const answered = (
  cookie: string,
  nowSeconds: number,
  address: Uint8Array = HOST,
  secrets: ReadonlyArray<Uint8Array> = [SECRET]
): Answered => {
  // Somewhere in a message, not at its beginning.
  const wire = hex(`ffffff${cookie}ff`)
  const out = new Uint8Array(COOKIE_SIZE)
  return { state: answerCookie(wire, 3, wire.length - 4, address, secrets, nowSeconds, out), cookie: text(out) }
}

describe("SipHash-2-4", () => {
  it("gives the hashes of its authors' paper, and of their test vectors", () => {
    const key = Uint8Array.from({ length: 16 }, (_, i) => i)
    const out = new Uint8Array(8)
    const of = (length: number): string => {
      const octets = Uint8Array.from({ length: length + 2 }, (_, i) => i - 1)
      sipHash(key, octets, 1, 1 + length, out, 0)
      return text(out)
    }
    assert.strictEqual(of(0), "310e0edd47db6f72")
    assert.strictEqual(of(1), "fd67dc93c539f874")
    assert.strictEqual(of(7), "37d1018bf50002ab")
    assert.strictEqual(of(8), "6224939a79f5f593")
    assert.strictEqual(of(15), "e545be4961ca29a1")
  })
})

describe("a server's cookie (RFC 9018)", () => {
  it("is that of Appendix A.1 for a client without one", () => {
    const { cookie, state } = answered(CLIENT, 1_559_731_985)
    assert.strictEqual(cookie, `${CLIENT}010000005cf79f111f8130c3eee29480`)
    assert.strictEqual(state, "new")
  })

  it("is given again as it came while it is young, and is valid", () => {
    const cookie = `${CLIENT}010000005cf79f111f8130c3eee29480`
    for (const later of [-300, 0, 1_000, 1_800])
      assert.deepStrictEqual(answered(cookie, 1_559_731_985 + later), { state: "valid", cookie }, `${later} s`)
  })

  it("is replaced after half an hour (Appendix A.2), and valid for an hour", () => {
    const cookie = `${CLIENT}010000005cf79f111f8130c3eee29480`
    const renewed = answered(cookie, 1_559_734_385)
    assert.strictEqual(renewed.state, "valid")
    assert.strictEqual(renewed.cookie, `${CLIENT}010000005cf7a871d4a564a1442aca77`)
    assert.strictEqual(answered(cookie, 1_559_731_985 + 3_600).state, "valid")
    assert.strictEqual(answered(cookie, 1_559_731_985 + 3_601).state, "invalid")
    assert.strictEqual(answered(cookie, 1_559_731_985 - 301).state, "invalid")
  })

  it("counts with its reserved octets as they came, and is replaced by one without them (Appendix A.3)", () => {
    const address = Uint8Array.of(203, 0, 113, 203)
    const cookie = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5"
    assert.strictEqual(answered(cookie, 0x5cf78f71, address).state, "valid")
    assert.deepStrictEqual(answered(cookie, 1_559_734_700, address), {
      state: "invalid",
      cookie: "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"
    })
  })

  it("is for an IPv6 address, by the old secret or the new one (Appendix A.4)", () => {
    const address = hex("2001 0db8 0220 0001 59de d0f4 8769 82b8")
    const old = hex("dd3bdf9344b678b185a6f5cb60fca715")
    const fresh = hex("445536bcd2513298075a5d379663c962")
    const cookie = "22681ab97d52c298010000005cf7c57926556bd0934c72f8"
    const { cookie: next, state } = answered(cookie, 1_559_741_961, address, [fresh, old])
    assert.strictEqual(state, "valid")
    assert.strictEqual(next, "22681ab97d52c298010000005cf7c609a6bb79d16625507a")
    assert.strictEqual(answered(cookie, 1_559_741_961, address, [fresh]).state, "invalid")
  })

  it("is no good from another address, for another client's part, in another version, or changed in one bit", () => {
    const cookie = `${CLIENT}010000005cf79f111f8130c3eee29480`
    assert.strictEqual(answered(cookie, 1_559_731_985, Uint8Array.of(198, 51, 100, 101)).state, "invalid")
    assert.strictEqual(answered(`3${cookie.slice(1)}`, 1_559_731_985).state, "invalid")
    assert.strictEqual(answered(cookie.replace("01000000", "02000000"), 1_559_731_985).state, "invalid")
    for (let bit = 0; bit < COOKIE_SIZE * 8; bit++) {
      const changed = hex(cookie)
      changed[bit >> 3]! ^= 0x80 >> (bit & 7)
      assert.strictEqual(answered(text(changed), 1_559_731_985).state, "invalid", `bit ${bit}`)
    }
  })

  it("of another maker, of any size that one may have, is answered by one of ours", () => {
    for (const size of [16, 20, 24, 32, 40]) {
      const { cookie, state } = answered(CLIENT + "ab".repeat(size - 8), 1_559_731_985)
      assert.strictEqual(state, "invalid", `${size} octets`)
      assert.strictEqual(cookie, `${CLIENT}010000005cf79f111f8130c3eee29480`)
    }
  })
})

describe("the size of a cookie (RFC 7873 §5.2.2)", () => {
  it("is 8 octets, or 16 to 40", () => {
    const good = Array.from({ length: 64 }, (_, size) => size).filter(isCookieSize)
    assert.deepStrictEqual(good, [8, ...Array.from({ length: 25 }, (_, i) => 16 + i)])
  })
})
