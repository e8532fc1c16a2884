import { createSocket, type Socket } from "node:dgram"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { onReply } from "../support/clients/udp-client.ts"
import { encodeQuestion, startServer } from "../support/servers/server.ts"
import { heldUpstream } from "../support/upstreams/held-upstream.ts"
import { readReply } from "../support/wire/reply-reader.ts"

/** A client at an address of its own. */
const clientAt = (address: string): Effect.Effect<Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Socket>((resolve) => {
          const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 })
          socket.on("error", () => {})
          socket.bind(0, address, () => resolve(socket))
        })
    ),
    (socket) => Effect.sync(() => socket.close())
  )

/** Asks for one name after the other, each when the one before is answered; the rcodes. */
const askInTurn = (client: Socket, port: number, names: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<number>> =>
  Effect.forEach(names, (name, i) =>
    Effect.callback<number>((resume) => {
      const stop = onReply(client, port, (answer) => {
        stop()
        resume(Effect.succeed(readReply(answer).rcode))
      })
      client.send(encodeQuestion({ name }, i), port, "127.0.0.1")
    })
  )

/** Sends questions that nobody will answer, so many a turn, for as long as the scope lives. */
const flood = (clients: ReadonlyArray<Socket>, port: number, nameOf: (n: number) => string) =>
  Effect.forkScoped(
    Effect.gen(function* () {
      for (let n = 0; ; n++) {
        clients[n % clients.length]!.send(encodeQuestion({ name: nameOf(n) }, n & 0xffff), port, "127.0.0.1")
        if (n % 20 === 19) yield* Effect.sleep(20)
      }
    })
  )

const names = Array.from({ length: 20 }, (_, i) => `www.good${i}.test`)
const settings = {
  DNS_SERVER_MAX_CONCURRENT_QUERIES: "40",
  DNS_SERVER_MAX_QUEUED_QUERIES: "40",
  DNS_SERVER_QUERY_TIMEOUT_SECS: "20",
  DNS_SERVER_ATTEMPT_TIMEOUT_MS: "20000",
  DNS_SERVER_TRACE_SAMPLING: "never",
  // The upstream would hold it up.
  DNS_SERVER_SHUTDOWN_TIMEOUT_SECS: "0"
}

describe("when the room of waiting queries is full, it is taken from those who hold most of it", () => {
  const others = (what: string, from: number, nameOf: (n: number) => string): void => {
    it.live(`${what} does not take the place of the others`, () =>
      Effect.gen(function* () {
        const upstream = yield* heldUpstream((name) => name.startsWith("held"))
        const server = yield* startServer({ ...settings, DNS_SERVER_UPSTREAMS: upstream.address })
        const flooding = yield* Effect.forEach(
          Array.from({ length: from }, (_, i) => `127.0.1.${i + 1}`),
          clientAt
        )
        yield* flood(flooding, server.port, nameOf)
        yield* upstream.awaitNames(40)
        while (server.counters.read("answers.shed") === 0) yield* Effect.sleep(10)
        const client = yield* clientAt("127.0.2.1")
        assert.deepStrictEqual(
          yield* askInTurn(client, server.port, names),
          names.map(() => 0)
        )
      })
    )
  }

  others("one client that asks for names in a thousand zones", 1, (n) => `held${n}.z${n % 1000}.test`)
  others("one zone that is asked for from a hundred addresses", 100, (n) => `held${n}.broken.test`)
})
