import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { addressesOf, ask } from "../support/servers/server.ts"
import { withFile } from "../support/servers/with-file.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

describe("a file that is hostile or large", () => {
  for (const workers of ["1", "2"]) {
    const threads = workers === "1" ? "one thread" : "two threads"
    it.live(`is read and made use of while queries are answered (${threads})`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* withFile(workers, upstream.address, "cache_size_mb: 2\n")
        const aliases = [..."bcdefghi"].map(
          (letter, i) => `${letter}: &${letter} [${Array(9).fill(`*${"abcdefgh"[i]}`)}]`
        )
        const answers = Array.from({ length: 50_000 }, (_, i) => `  - h${i}.example A 192.0.2.7`)
        for (const [text, said] of [
          [`a: &a [${Array(9).fill("x")}]\n${aliases.join("\n")}\n`, /at most 500000 values/],
          [`local_answers:\n${answers.join("\n")}\n`, /changed: local_answers/]
        ] as const) {
          let slowest = 0
          let isRead = false
          const asking = Effect.gen(function* () {
            while (!isRead) {
              const from = performance.now()
              yield* ask(server.port, { name: "www.example.test" })
              slowest = Math.max(slowest, performance.now() - from)
              yield* Effect.sleep(2)
            }
          })
          const reading = Effect.tap(server.change(text, said), () =>
            Effect.sync(() => {
              isRead = true
            })
          )
          yield* Effect.all([asking, reading], { concurrency: "unbounded" })
          // On the thread that answers, at once, these took seconds.
          assert.isBelow(slowest, 2_500)
        }
        assert.deepStrictEqual(addressesOf(yield* ask(server.port, { name: "h49999.example" })), ["192.0.2.7"])
      })
    )
  }
})
