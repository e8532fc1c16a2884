import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { replyTo } from "../../bench/upstreams/slow.ts"

describe("replyTo", () => {
  it("answers any name with one address, and drops the OPT", () => {
    const query = packet.encode({
      type: "query",
      id: 7,
      flags: packet.RECURSION_DESIRED,
      questions: [{ name: "a.example.test", type: "A" }],
      additionals: [
        {
          type: "OPT",
          name: ".",
          udpPayloadSize: 1232,
          flags: 0,
          extendedRcode: 0,
          ednsVersion: 0,
          flag_do: false,
          options: []
        }
      ]
    })
    const reply = packet.decode(replyTo(query)!)
    assert.strictEqual(reply.id, 7)
    assert.strictEqual(reply.type, "response")
    assert.deepStrictEqual(
      reply.questions?.map(({ name }) => name),
      ["a.example.test"]
    )
    assert.deepStrictEqual(
      reply.answers?.map((answer) => (answer.type === "A" ? answer.data : "")),
      ["192.0.2.1"]
    )
    assert.deepStrictEqual(reply.additionals, [])
  })

  it("has no answer to what ends inside its question", () => {
    assert.isUndefined(replyTo(Buffer.alloc(14, 1)))
    assert.isUndefined(replyTo(Buffer.alloc(12)))
  })
})
