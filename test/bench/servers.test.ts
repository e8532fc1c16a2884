import { assert, describe, it } from "@effect/vitest"
import { readBurst } from "../../bench/load/burst.ts"
import { allServers } from "../../bench/servers/all.ts"

const assignment = {
  port: 5399,
  tlsPort: 5397,
  httpsPort: 5396,
  certificateFile: "/nowhere/certificate.pem",
  keyFile: "/nowhere/key.pem",
  directory: "/nowhere",
  upstreamPort: 5398,
  cachedNames: 1000,
  waiting: 100,
  upstreamTimeoutMs: 800,
  threads: 2
}

describe("allServers", () => {
  it("are told where to answer and, but for the floor, whom to ask", () => {
    for (const server of allServers) {
      const told = JSON.stringify([server.files(assignment), server.command(assignment, "program")])
      assert.include(told, "5399", server.name)
      if (server.role !== "floor") assert.include(told, "5398", server.name)
      const isTold = ["5397", "5396", "certificate.pem", "key.pem"].every((text) => told.includes(text))
      assert.strictEqual(isTold, server.isEncrypted, server.name)
    }
  })

  it("have names of their own, and Strand comes first", () => {
    assert.strictEqual(new Set(allServers.map(({ name }) => name)).size, allServers.length)
    assert.strictEqual(allServers[0]?.role, "strand")
  })
})

describe("readBurst", () => {
  it("reads counts, and times in milliseconds", () => {
    assert.deepStrictEqual(readBurst("answered 2345 of 10000, sent 14791, last 15243, longest 3607\n"), {
      sent: 10_000,
      answered: 2345,
      sendingMs: 14.791,
      doneMs: 15.243,
      longestMs: 3.607
    })
  })

  it("gives nothing for anything else", () => {
    assert.isUndefined(readBurst("connect: refused"))
  })
})
