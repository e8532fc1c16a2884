import { execFile } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { findTool } from "../support/external/tools.ts"
import { startListening } from "../support/servers/process.ts"
import { ask, startServer } from "../support/servers/server.ts"
import { wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { type SubnetOption, subnetIn, telling, tellingBack, toldIn } from "../support/wire/client-subnet.ts"

const kdig = findTool("kdig")

const askKdig = (port: number, args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    execFile(kdig!, ["@127.0.0.1", "-p", String(port), ...args], (_error, stdout) => resume(Effect.succeed(stdout)))
  })

const serverTelling = (protocol: "udp" | "tcp", seen: Array<SubnetOption | undefined>) =>
  Effect.gen(function* () {
    const upstream = yield* wireUpstream(tellingBack(seen, ({ source }) => Math.min(source, 16)))
    return yield* startServer({
      DNS_SERVER_UPSTREAMS: "192.0.2.1",
      DNS_SERVER_GROUPS: `told=${protocol}://${upstream.address}`,
      DNS_SERVER_RULES: ". -> told ecs",
      DNS_SERVER_ECS_TRUST: "127.0.0.0/8"
    })
  })

describe("EDNS Client Subnet over real sockets", () => {
  for (const protocol of ["udp", "tcp"] as const) {
    it.live(`reaches an upstream by ${protocol}, and its scope the client`, () =>
      Effect.gen(function* () {
        const seen: Array<SubnetOption | undefined> = []
        const server = yield* serverTelling(protocol, seen)
        const ask = (address: string) =>
          server.ask({ name: "a.example", type: "TXT", edns: telling(address, 24), tcp: protocol === "tcp" })
        for (const address of ["8.8.8.0", "8.8.9.0", "8.9.8.0", "8.8.8.0"]) {
          const answer = yield* ask(address)
          assert.strictEqual(subnetIn(answer)?.scope, 16)
          assert.strictEqual(toldIn(answer), address === "8.9.8.0" ? "1:080908/24" : "1:080808/24")
        }
        assert.strictEqual(seen.length, 2)
      }).pipe(Effect.scoped)
    )
  }

  it.live("asks one question for four networks at once, by each of two threads, and answers all of them", () =>
    Effect.gen(function* () {
      const underWay = new Set<string>()
      let most = 0
      const inner = tellingBack([], ({ source }) => source)
      const upstream = yield* wireUpstream((query, ...rest) => {
        const { address } = subnetIn(packet.decode(query))!
        underWay.add(address)
        most = Math.max(most, underWay.size)
        const until = new Promise<void>((resolve) => {
          setTimeout(() => {
            underWay.delete(address)
            resolve()
          }, 40)
        })
        return inner(query, ...rest).map((reaction) => ({ ...reaction, until }))
      })
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: "192.0.2.1",
        DNS_SERVER_GROUPS: `told=${upstream.address}`,
        DNS_SERVER_RULES: ". -> told ecs",
        DNS_SERVER_ECS_TRUST: "127.0.0.0/8",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "30",
        // Whoever is slow is not asked twice: that would be one more at once.
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "30000",
        DNS_SERVER_RETRIES: "0",
        DNS_SERVER_WORKERS: "2"
      })
      const networks = Array.from({ length: 120 }, (_, i) => `8.8.${i}.0`)
      const answers = yield* Effect.forEach(
        networks,
        (network) =>
          ask(server.port, { name: "many.example", type: "TXT", edns: telling(network, 24), timeoutMs: 30_000 }),
        { concurrency: "unbounded" }
      )
      for (const [i, answer] of answers.entries()) {
        assert.strictEqual(toldIn(answer), `1:0808${i.toString(16).padStart(2, "0")}/24`)
      }
      assert.isAtMost(most, 8)
      assert.isAbove(most, 1)
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(kdig === undefined)("is what kdig understands", () =>
    Effect.gen(function* () {
      const server = yield* serverTelling("udp", [])
      const args = ["+subnet=2001:db9:77::/64", "b.example", "TXT"]
      const text = yield* askKdig(server.port, args)
      assert.include(text, "CLIENT-SUBNET: 2001:db9:77::/64/16")
      assert.include(text, "2:20010db9007700/56")
      // From the cache, and for another network of the same scope.
      assert.include(yield* askKdig(server.port, args), "CLIENT-SUBNET: 2001:db9:77::/64/16")
      const other = yield* askKdig(server.port, ["+subnet=2001:ffff::/48", "b.example", "TXT"])
      assert.include(other, "CLIENT-SUBNET: 2001:ffff::/48/16")
      assert.include(other, "2:20010db9007700/56")
    }).pipe(Effect.scoped)
  )
})
