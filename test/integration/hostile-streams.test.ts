/** Clients by TCP that mean harm, or break: what they may cost. */
import { readFileSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { openTcp } from "../support/clients/tcp-client.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, ask, encodeQuestion, startServer } from "../support/servers/server.ts"
import { framed } from "../support/upstreams/fake-upstream.ts"
import { heldUpstream } from "../support/upstreams/held-upstream.ts"

const ways = ["auto", "portable"]

const collect = (): void => {
  setFlagsFromString("--expose-gc")
  runInNewContext("gc")()
}

/** Octets of buffers that something still holds. */
const heldOctets = Effect.gen(function* () {
  for (let i = 0; i < 3; i++) {
    collect()
    yield* Effect.sleep(5)
  }
  return process.memoryUsage().arrayBuffers
})

/** A query that EDNS padding (RFC 7830) makes so large. */
const padded = (name: string, id: number, size: number): Buffer => {
  const plain = encodeQuestion({ name, edns: {} }, id)
  const whole = Buffer.alloc(size)
  plain.copy(whole)
  whole.writeUInt16BE(size - plain.length, plain.length - 2)
  whole.writeUInt16BE(12, plain.length)
  whole.writeUInt16BE(size - plain.length - 4, plain.length + 2)
  return whole
}

describe("queries by TCP that wait for an upstream", () => {
  const CONNECTIONS = 4
  const EACH = 500
  /** A part of what the messages would be, and what the connections read into. */
  const mostHeld = (size: number): number => Math.max(10_000_000, (CONNECTIONS * EACH * size) / 4)
  for (const datagrams of ways) {
    for (const size of [8_000, 60_000]) {
      it.live(`hold a little each, though they came in ${size} octets (${datagrams})`, () =>
        Effect.gen(function* () {
          const upstream = yield* heldUpstream(() => true)
          const server = yield* startServer({
            DNS_SERVER_UPSTREAMS: upstream.address,
            DNS_SERVER_DATAGRAMS: datagrams,
            DNS_SERVER_MAX_CONCURRENT_QUERIES: "4000",
            DNS_SERVER_MAX_QUERIES_PER_UPSTREAM: "4000",
            DNS_SERVER_QUERY_TIMEOUT_SECS: "60",
            DNS_SERVER_ATTEMPT_TIMEOUT_MS: "60000"
          })
          const before = yield* heldOctets
          const clients = yield* Effect.forEach(Array.from({ length: CONNECTIONS }), () => openTcp(server.port))
          for (let i = 0; i < EACH; i++) {
            for (const [c, { socket }] of clients.entries()) {
              const name = `n${c}-${i}.example.test`
              if (!socket.write(framed(padded(name, i, size)))) {
                yield* Effect.callback<void>((resume) => {
                  socket.once("drain", () => resume(Effect.void))
                })
              }
            }
          }
          yield* upstream.awaitNames(CONNECTIONS * EACH)
          // Header, question and way back, and what the connections read into; the messages would be 16 or 120 million.
          assert.isBelow((yield* heldOctets) - before, mostHeld(size))
          yield* upstream.release
          for (const client of clients) yield* client.awaitAnswers(EACH)
          for (const { answers } of clients) assert.strictEqual(answers.length, EACH)
        })
      )
    }
  }
})

/** Seconds of processor time that the process has used. */
const processorSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  return (Number(fields[11]) + Number(fields[12])) / 100
}

describe.runIf(process.platform === "linux")("a connection with queries under way that is reset", () => {
  const WINDOW_MS = 1_000
  const MOST_UNDER_WAY = 512
  for (const datagrams of ways) {
    for (const [what, shut] of [
      ["paused, for it has as many under way as it may", false],
      ["half closed", true]
    ] as const) {
      it.live(`while it is ${what}, costs no processor time until they are over (${datagrams})`, () =>
        Effect.gen(function* () {
          const upstream = yield* heldUpstream((name) => name.startsWith("held"))
          const server = yield* startListening({
            DNS_SERVER_UPSTREAMS: upstream.address,
            DNS_SERVER_DATAGRAMS: datagrams,
            DNS_SERVER_WORKERS: "1",
            DNS_SERVER_QUERY_TIMEOUT_SECS: "30",
            DNS_SERVER_ATTEMPT_TIMEOUT_MS: "30000"
          })
          const [connections, count] = shut ? [3, 100] : [1, 700]
          for (let n = 0; n < connections; n++) {
            const client = yield* openTcp(server.port)
            const asked = Array.from({ length: count }, (_, i) =>
              framed(encodeQuestion({ name: `held${n}-${i}.example.test` }, i))
            )
            client.socket.write(Buffer.concat(asked))
            yield* upstream.awaitNames((n + 1) * Math.min(count, MOST_UNDER_WAY))
            if (shut) {
              yield* Effect.callback<void>((resume) => {
                client.socket.end(() => resume(Effect.void))
              })
            }
            client.socket.resetAndDestroy()
          }
          // Served meanwhile, as ever; and by then it has heard of the resets.
          assert.strictEqual(addressesOf(yield* ask(server.port, { name: "quick.test", tcp: true })).length, 1)
          const before = processorSeconds(server.child.pid!)
          yield* Effect.sleep(WINDOW_MS)
          const share = ((processorSeconds(server.child.pid!) - before) * 1000) / WINDOW_MS
          assert.isBelow(share, 0.15)
          yield* upstream.release
          assert.strictEqual(addressesOf(yield* ask(server.port, { name: "later.test" })).length, 1)
        })
      )
    }
  }
})
