import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { account } from "../../src/config/codec/account.ts"
import { idsOf } from "../../src/process/start/run-as.ts"
import { until } from "../support/machine/until.ts"
import { start, startListening } from "../support/servers/process.ts"
import { addressesOf, ask } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

const isRoot = process.getuid?.() === 0

/** Real, effective and saved user and group of each thread, and the groups that it is in besides. */
const identitiesOf = (pid: number): ReadonlyArray<string> => [
  ...new Set(
    readdirSync(`/proc/${pid}/task`).map((task) =>
      readFileSync(`/proc/${pid}/task/${task}/status`, "utf8")
        .split("\n")
        .filter((line) => /^(Uid|Gid|Groups):/.test(line))
        .map((line) => line.trim().replaceAll(/\s+/g, " "))
        .join(" ")
    )
  )
]

describe("the account that the server becomes", () => {
  it("is a user, or a user and a group, by name or number", () => {
    for (const text of ["strand", "strand:dns", "65534", "65534:65534", "_dns-1$", "a.b"]) {
      const read = account.read(text)
      assert.strictEqual(read._tag, "Success", text)
      if (read._tag === "Success") assert.strictEqual(account.write(read.success), text)
    }
    for (const text of ["", ":", "a:", ":b", "a:b:c", "a b", "../x", "-x"])
      assert.strictEqual(account.read(text)._tag, "Failure", text)
  })

  it("is found by name or number among the users of the system", () => {
    const passwd = "root:x:0:0:root:/root:/bin/sh\n# no line\nstrand:x:990:991::/:/bin/false\n"
    assert.deepStrictEqual(idsOf("strand", passwd), { name: "strand", uid: 990, gid: 991 })
    assert.deepStrictEqual(idsOf("990", passwd), { name: "strand", uid: 990, gid: 991 })
    assert.isUndefined(idsOf("nobody", passwd))
  })

  it.live.skipIf(!isRoot)("is that of all threads once the addresses are bound, low ports too", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startListening({
        DNS_SERVER_LISTEN: "127.0.0.1:0,127.0.97.53:853",
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_WORKERS: "2",
        DNS_SERVER_RUN_AS: "nobody:nogroup"
      })
      yield* until("it is nobody", () => server.output().includes("runs as nobody:nogroup"))
      const identities = identitiesOf(server.child.pid!)
      assert.strictEqual(identities.length, 1, identities.join("\n"))
      assert.match(identities[0]!, /^Uid: (\d+) \1 \1 \1 Gid: (\d+) \2 \2 \2 Groups: \2$/)
      assert.notMatch(identities[0]!, /Uid: 0 /)
      assert.deepStrictEqual(addressesOf(yield* ask(server.port, { name: "www.example.test" })), ["192.0.2.1"])
    })
  )

  it.live.skipIf(!isRoot)("ends the start where there is no such user", () =>
    Effect.gen(function* () {
      const server = yield* start({
        DNS_SERVER_LISTEN: "127.0.0.1:0",
        DNS_SERVER_UPSTREAMS: "192.0.2.53",
        DNS_SERVER_RUN_AS: "no-such-user"
      })
      assert.notStrictEqual(yield* Effect.promise(() => server.exit), 0)
      assert.include(server.output(), "there is no user no-such-user")
    })
  )
})
