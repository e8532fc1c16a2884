import { assert, describe, it } from "@effect/vitest"
import { stepFor } from "../../src/cli/first-step.ts"

const at = (protocol: string, address: string, port: number) => ({ protocol, endpoint: { address, port } })

describe("what a person at a terminal is told", () => {
  it("is how to ask the server something, by UDP where it is listened for", () => {
    for (const [listening, step] of [
      [[], undefined],
      [
        [at("tcp", "127.0.0.1", 1053), at("udp", "127.0.0.1", 1053)],
        "try it: dig @127.0.0.1 -p 1053 example.com, or strand query example.com"
      ],
      [
        [at("udp", "0.0.0.0", 53)],
        "try it: dig @127.0.0.1 -p 53 example.com, or strand query example.com --via 127.0.0.1:53"
      ],
      [
        [at("tcp", "::1", 5353)],
        "try it: dig @::1 -p 5353 example.com +tcp, or strand query example.com --via tcp://[::1]:5353"
      ]
    ] as const) {
      assert.strictEqual(stepFor(listening), step)
    }
  })
})
