import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readTraceContext, writeTraceContext } from "../../src/dns/trace-context.ts"
import { octetsUpTo } from "../support/wire/arbitraries.ts"
import { octets, option } from "../support/wire/messages.ts"

const CODE = 65_500
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const spanId = "00f067aa0ba902b7"
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"))
const read = (options: Uint8Array, end = options.length) => readTraceContext(options, 0, end, CODE)

describe("a trace context in an EDNS option", () => {
  it("is version, a reserved octet, trace, span and flags: 27 octets, as dnsdist and PowerDNS send it", () => {
    const data = writeTraceContext(traceId, spanId)
    assert.strictEqual(Buffer.from(data).toString("hex"), `0000${traceId}${spanId}01`)
    assert.deepStrictEqual(read(option(CODE, data)), { traceId, spanId })
  })

  it("is read whatever its flags, and behind other options", () => {
    const data = hex(`0000${traceId}${spanId}00`)
    assert.deepStrictEqual(read(octets(option(10, [1, 2, 3]), option(CODE, data))), { traceId, spanId })
  })

  it("may end before the flags, or before the span", () => {
    assert.deepStrictEqual(read(option(CODE, hex(`0000${traceId}${spanId}`))), { traceId, spanId })
    assert.deepStrictEqual(read(option(CODE, hex(`0000${traceId}`))), { traceId, spanId: undefined })
  })

  it("is none where there are no ids, only zeros, or a version that is not known", () => {
    for (const data of ["", "0000", `00${traceId}`, `0100${traceId}${spanId}01`, `0000${"0".repeat(32)}${spanId}01`]) {
      assert.isUndefined(read(option(CODE, hex(data))), data)
    }
    assert.isUndefined(read(option(CODE + 1, writeTraceContext(traceId, spanId))))
    assert.deepStrictEqual(read(option(CODE, hex(`0000${traceId}${"0".repeat(16)}01`))), { traceId, spanId: undefined })
  })

  it("is none where the options are cut short within it", () => {
    const whole = option(CODE, writeTraceContext(traceId, spanId))
    for (let end = 0; end < whole.length; end++) assert.isUndefined(read(whole, end), String(end))
  })

  it.effect.prop("of any octets whatever is read without an exception", [octetsUpTo(64)], ([any]) =>
    Effect.sync(() => {
      read(any)
      read(octets(option(CODE, any)))
    })
  )
})
