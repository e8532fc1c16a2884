import { type ChildProcess, spawn } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { address, fakeUpstream, slow } from "../support/fake-upstream.ts"
import { addressesOf, ask } from "../support/server.ts"

interface Started {
  readonly child: ChildProcess
  readonly port: number
  readonly exit: Promise<number | null>
  readonly output: () => string
}

const start = (environment: Record<string, string>, args: ReadonlyArray<string> = []) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let output = ""
      const child = spawn(process.execPath, ["dist/main.js", ...args], {
        env: { PATH: process.env["PATH"], DNS_SERVER_LOG_FORMAT: "json", ...environment }
      })
      const exit = new Promise<number | null>((resolve) => child.on("exit", resolve))
      const collect = (chunk: Buffer): void => {
        output += chunk.toString()
      }
      child.stdout.on("data", collect)
      child.stderr.on("data", collect)
      return { child, exit, output: () => output }
    }),
    ({ child, exit }) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return exit
      })
  )

/** The server as a process, once it says where it listens. */
const startListening = (environment: Record<string, string>) =>
  Effect.gen(function* () {
    const started = yield* start({ DNS_SERVER_LISTEN: "127.0.0.1:0", ...environment })
    for (let i = 0; i < 200; i++) {
      const port = /udp:\/\/127\.0\.0\.1:(\d+)/.exec(started.output())?.[1]
      if (port !== undefined) return { ...started, port: Number(port) } satisfies Started
      yield* Effect.sleep(50)
    }
    return yield* Effect.die(new Error(`the server did not start: ${started.output()}`))
  })

describe("the process", () => {
  it.live("answers what is in flight on SIGTERM, and ends with 0", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(slow(600, address("192.0.2.1")))
      const server = yield* startListening({ DNS_SERVER_UPSTREAMS: upstream.address })
      const answer = ask(server.port, { name: "www.example.test" })
      const [received] = yield* Effect.all(
        [
          answer,
          Effect.delay(
            Effect.sync(() => server.child.kill("SIGTERM")),
            200
          )
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(addressesOf(received), ["192.0.2.1"])
      assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
    })
  )

  it.live("ends at once on a second signal", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(slow(3000, address("192.0.2.1")))
      const server = yield* startListening({ DNS_SERVER_UPSTREAMS: upstream.address })
      yield* Effect.forkChild(Effect.ignoreCause(ask(server.port, { name: "www.example.test", timeoutMs: 1000 })), {
        startImmediately: true
      })
      yield* Effect.sleep(200)
      server.child.kill("SIGINT")
      yield* Effect.sleep(100)
      server.child.kill("SIGINT")
      assert.strictEqual(yield* Effect.promise(() => server.exit), 130)
    })
  )

  it.live("says every mistake of its configuration, and does not start", () =>
    Effect.gen(function* () {
      const server = yield* start({
        DNS_SERVER_RETRIES: "99",
        DNS_SERVER_LISTEN: "nowhere",
        DNS_SERVER_UPSTREAMS: "192.0.2.1"
      })
      assert.strictEqual(yield* Effect.promise(() => server.exit), 1)
      assert.include(server.output(), "2 mistakes")
      assert.include(server.output(), "DNS_SERVER_RETRIES: 99: expected an integer from 0 to 10")
      assert.include(server.output(), "DNS_SERVER_LISTEN: nowhere: expected an IP address")
    })
  )

  it.live("refuses at start to forward to itself", () =>
    Effect.gen(function* () {
      const server = yield* start({ DNS_SERVER_LISTEN: "0.0.0.0:5399", DNS_SERVER_UPSTREAMS: "127.0.0.1:5399" })
      assert.strictEqual(yield* Effect.promise(() => server.exit), 1)
      assert.include(server.output(), "this one listens on 0.0.0.0:5399 itself")
    })
  )

  it.live("prints the effective configuration with the source of each value on `check`", () =>
    Effect.gen(function* () {
      const server = yield* start({ DNS_SERVER_RETRIES: "1", DNS_SERVER_UPSTREAMS: "192.0.2.1" }, ["check"])
      assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
      assert.include(server.output(), "retries: 1  # DNS_SERVER_RETRIES")
      assert.include(server.output(), "actor_pool_size: 20  # default")
    })
  )
})
