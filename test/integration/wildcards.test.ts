import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { start } from "../support/servers/process.ts"
import { addressesOf, encodeQuestion, startServer } from "../support/servers/server.ts"
import { address, fakeUpstream, framed } from "../support/upstreams/fake-upstream.ts"

/** Loaded before the server's own code: koffi is not there. */
const withoutKoffi = `--import ${new URL("../support/faults/without-koffi.ts", import.meta.url)}`

describe("a server that cannot say from which address it answers", () => {
  const refused = (name: string, environment: Record<string, string>, reason: RegExp): void =>
    it.live(`does not start where it is to listen on all of them: ${name}`, () =>
      Effect.gen(function* () {
        const server = yield* start({ DNS_SERVER_UPSTREAMS: "192.0.2.1", ...environment })
        assert.strictEqual(yield* Effect.promise(() => server.exit), 1)
        assert.match(server.output(), reason)
      })
    )

  for (const listen of ["0.0.0.0:0", "[::]:0"]) {
    refused(
      `${listen}, datagrams: portable`,
      { DNS_SERVER_LISTEN: listen, DNS_SERVER_DATAGRAMS: "portable" },
      /LISTEN: .*: expected addresses one by one/
    )
    for (const workers of ["1", "2"]) {
      refused(
        `${listen}, no koffi, ${workers} workers`,
        {
          DNS_SERVER_LISTEN: listen,
          DNS_SERVER_DATAGRAMS: "auto",
          DNS_SERVER_WORKERS: workers,
          NODE_OPTIONS: withoutKoffi
        },
        /listen: .* is all addresses.*no koffi.*list the addresses/
      )
    }
  }

  it.live("listens on all of them by TCP", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { port } = yield* startServer({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_LISTEN: "tcp://0.0.0.0:0",
        DNS_SERVER_DATAGRAMS: "portable"
      })
      const octets = yield* Effect.callback<Buffer>((resume) => {
        const socket = connect(port, "127.0.0.2")
        socket.on("data", (chunk: Buffer) => resume(Effect.succeed(chunk.subarray(2))))
        socket.write(framed(encodeQuestion({ name: "www.example.test" }, 7)))
        return Effect.sync(() => socket.destroy())
      })
      assert.deepStrictEqual(addressesOf(packet.decode(octets)), ["192.0.2.1"])
    })
  )
})
