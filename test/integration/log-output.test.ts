import { spawnSync } from "node:child_process"
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { freePort } from "../support/machine/ports.ts"
import { until, untilSo } from "../support/machine/until.ts"
import { start, startListening } from "../support/servers/process.ts"
import { ask, rcodeOf } from "../support/servers/server.ts"
import { address, type Behaviour, failing, fakeUpstream, nameOf } from "../support/upstreams/fake-upstream.ts"

/** A pipe with a name: its ends can be opened and closed while a server has it. */
interface NamedPipe {
  readonly read: () => number
  readonly write: () => number
}

const namedPipe: Effect.Effect<NamedPipe, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-pipe-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  ),
  (directory) => {
    const file = join(directory, "pipe")
    assert.strictEqual(spawnSync("mkfifo", [file]).status, 0)
    return {
      read: () => openSync(file, constants.O_RDONLY | constants.O_NONBLOCK),
      write: () => openSync(file, constants.O_WRONLY | constants.O_NONBLOCK)
    }
  }
)

/** All that is in the pipe now. */
const contentsOf = (fd: number): string => {
  const octets = Buffer.alloc(1 << 16)
  let text = ""
  try {
    for (;;) {
      const length = readSync(fd, octets)
      if (length === 0) return text
      text += octets.toString("utf8", 0, length)
    }
  } catch {
    return text
  }
}

const fill = (fd: number): void => {
  try {
    for (;;) writeSync(fd, Buffer.alloc(4096, "\n"))
  } catch {}
}

/** Answers from which one may conclude that all workers are there. */
const ANSWERS_OF_ALL = 16

/** Names that begin with `bad` fail, all others have an address. */
const goodAndBad: Behaviour = (query, transport, count) =>
  (nameOf(query).startsWith("bad") ? failing(2) : address("192.0.2.1"))(query, transport, count)

/** A server whose log goes to this descriptor, once it answers. */
const serverLoggingTo = (stdout: number, settings: Record<string, string>) =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream(goodAndBad)
    const port = yield* freePort
    const server = yield* start(
      { DNS_SERVER_LISTEN: `127.0.0.1:${port}`, DNS_SERVER_UPSTREAMS: upstream.address, ...settings },
      [],
      { stdout }
    )
    // Each comes from another port: a worker that is not there yet has some of them.
    for (let i = 0; i < ANSWERS_OF_ALL; i++) {
      yield* ask(port, { name: "first.example.test", timeoutMs: 500 }).pipe(
        Effect.sandbox,
        Effect.retry({ times: 120 }),
        Effect.orDie
      )
    }
    return { ...server, port }
  })

const answersGoOn = (port: number, from: number) =>
  Effect.gen(function* () {
    for (let i = from; i < from + 8; i++) {
      assert.strictEqual(rcodeOf(yield* ask(port, { name: `bad${i}.example.test` })), "SERVFAIL")
      assert.strictEqual(rcodeOf(yield* ask(port, { name: `good${i}.example.test` })), "NOERROR")
    }
  })

const endsWith0 = (server: {
  readonly child: { kill: (signal: "SIGTERM") => boolean }
  exit: Promise<number | null>
}) =>
  Effect.gen(function* () {
    server.child.kill("SIGTERM")
    assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
  })

for (const [workers, format] of [
  ["1", "json"],
  ["2", "json"],
  ["1", "pretty"]
] as const) {
  const settings = { DNS_SERVER_WORKERS: workers, DNS_SERVER_LOG_FORMAT: format }

  describe(`the log of ${workers} worker${workers === "1" ? "" : "s"}, ${format}`, () => {
    it.live("whose reader has gone ends nothing; the next reader is told how many lines were lost", () =>
      Effect.gen(function* () {
        const pipe = yield* namedPipe
        let reader = pipe.read()
        const writer = pipe.write()
        const server = yield* serverLoggingTo(writer, settings)
        closeSync(writer)
        closeSync(reader)
        yield* answersGoOn(server.port, 0)
        reader = pipe.read()
        let read = ""
        yield* until("the count of lost lines", () => {
          read += contentsOf(reader)
          return /log lines were lost.*lost"?[:=][1-9]/.test(read)
        })
        assert.include(read, "EPIPE")
        // So many failures are logged a second: of enough one is.
        let asked = 0
        const oneMore = Effect.suspend(() => ask(server.port, { name: `bad1${++asked}.example.test` }))
        const isLogged = Effect.map(oneMore, () => {
          read += contentsOf(reader)
          return read.includes("query failed: bad1")
        })
        yield* untilSo("a failure is logged", isLogged)
        yield* endsWith0(server)
        closeSync(reader)
      })
    )

    it.live("on a disk that is full ends nothing", () =>
      Effect.gen(function* () {
        const full = openSync("/dev/full", "w")
        const server = yield* serverLoggingTo(full, settings)
        closeSync(full)
        yield* answersGoOn(server.port, 0)
        yield* endsWith0(server)
      })
    )

    it.live("in a pipe that nobody reads holds up no query, nor the end; what waits is there when it is read", () =>
      Effect.gen(function* () {
        const pipe = yield* namedPipe
        const reader = pipe.read()
        const writer = pipe.write()
        fill(writer)
        const server = yield* serverLoggingTo(writer, settings)
        closeSync(writer)
        yield* answersGoOn(server.port, 0)
        let read = ""
        yield* until("what waited", () => {
          read += contentsOf(reader)
          return read.includes("query failed: bad0") && read.includes("answers")
        })
        const again = pipe.write()
        fill(again)
        closeSync(again)
        yield* endsWith0(server)
        closeSync(reader)
      })
    )
  })
}

describe("the log in a socket, as process managers give one", () => {
  it.live("whose reader has gone ends nothing", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(goodAndBad)
      const server = yield* startListening({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_WORKERS: "2" })
      server.child.stdout!.destroy()
      yield* answersGoOn(server.port, 0)
      yield* endsWith0(server)
    })
  )
})
