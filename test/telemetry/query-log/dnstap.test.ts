import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect, type Scope } from "effect"
import type { DnstapTarget } from "../../../src/config/codec/dnstap-target.ts"
import { dnstapOutput } from "../../../src/telemetry/query-log/dnstap-output.ts"
import { MAX_WAITING_OCTETS } from "../../../src/telemetry/query-log/frame-connection.ts"
import type { Rotation } from "../../../src/telemetry/query-log/plan.ts"
import {
  type DnstapFrame,
  decodeFrame,
  dnstapTool,
  frameReader,
  framesIn,
  fstrmCapture
} from "../../support/external/dnstap.ts"
import { until } from "../../support/machine/until.ts"
import { loggedOf, reported } from "../../support/servers/logged.ts"
import { wireName } from "../../support/wire/messages.ts"

const rotation: Rotation = { maxOctets: 1 << 20, maxAgeMs: 3_600_000, keep: 1 }
const [START, STOP, READY] = [2, 3, 4]

const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const opened = (target: DnstapTarget, given: Partial<Rotation> = {}) =>
  Effect.gen(function* () {
    const { report, counts, said } = reported("dnstap")
    const output = dnstapOutput(target, { ...rotation, ...given }, report)
    yield* Effect.addFinalizer(() => output.close)
    return { write: output.write, close: output.close, counts, said }
  })

const tcp = (port: number): DnstapTarget => ({ kind: "tcp", endpoint: { address: "127.0.0.1", port } })
const ipv6 = { address: [0x20010db8, 0, 0, 1], isIPv4: false } as const

const messageIn = ({ message }: DnstapFrame) =>
  packet.decode(Buffer.from(message.query_message ?? message.response_message ?? []))

/** What a file has between its first frame and its last. */
const framesOf = (file: string): ReadonlyArray<DnstapFrame> => {
  const { frames, rest } = framesIn(readFileSync(file))
  assert.strictEqual(rest.length, 0)
  assert.deepStrictEqual(frames[0], { control: START, content: "protobuf:dnstap.Dnstap" })
  return frames.flatMap((frame) => ("data" in frame ? [decodeFrame(frame.data)] : []))
}

describe("dnstap", () => {
  it.live("has a frame for the query and one for the reply, as its definition reads them", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "queries.dnstap")
      const { write, close, counts } = yield* opened({ kind: "file", path: file })
      write([
        loggedOf({ named: "WWW.Example.test", type: 28, rcode: 3 }),
        loggedOf({ ...ipv6, protocol: "tcp", rcode: -1, outcome: "denied" })
      ])
      yield* close
      const [query, response, other, ...more] = framesOf(file)
      assert.isEmpty(more)
      const { query_message: asked, ...rest } = query!.message
      assert.deepStrictEqual(
        { ...rest, query_address: [...(rest["query_address"] as Uint8Array)] },
        {
          type: "CLIENT_QUERY",
          socket_family: "INET",
          socket_protocol: "UDP",
          query_address: [192, 0, 2, 7],
          query_port: 5353,
          query_time_sec: Date.UTC(2026, 0, 2, 3, 4, 5) / 1000,
          query_time_nsec: 678_000_000
        }
      )
      assert.strictEqual(query!.type, "MESSAGE")
      assert.match(Buffer.from(query!.version).toString(), /^strand \d/)
      assert.strictEqual(asked!.length, 12 + 18 + 4)
      assert.deepStrictEqual(messageIn(query!).questions, [{ name: "WWW.Example.test", type: "AAAA", class: "IN" }])
      assert.strictEqual(response!.message.type, "CLIENT_RESPONSE")
      assert.strictEqual(response!.message["response_time_nsec"], 678_500_000)
      assert.deepInclude(messageIn(response!), { type: "response", rcode: "NXDOMAIN" } as object)
      assert.deepInclude(other!.message, { type: "CLIENT_QUERY", socket_family: "INET6", socket_protocol: "TCP" })
      assert.deepStrictEqual([...counts], [["log.dnstap.written", 2]])
    })
  )

  it.live("has no address where clients are not logged, and no question where none is known whole", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "queries.dnstap")
      const { write, close } = yield* opened({ kind: "file", path: file })
      const cut = wireName(Array(4).fill("x".repeat(60)).join(".")).subarray(0, 192)
      write([{ ...loggedOf({ name: cut }), address: new Uint8Array(0), port: 0 }])
      yield* close
      const [query] = framesOf(file)
      assert.notProperty(query!.message, "query_address")
      assert.notProperty(query!.message, "query_port")
      assert.isEmpty(messageIn(query!).questions)
    })
  )

  it.live("in files: each is a stream that begins and ends, and an old one is put aside", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "queries.dnstap")
      const first = yield* opened({ kind: "file", path: file })
      first.write([loggedOf()])
      yield* first.close
      const { frames } = framesIn(readFileSync(file))
      assert.deepStrictEqual(frames.at(-1), { control: STOP, content: "" })
      const second = yield* opened({ kind: "file", path: file })
      second.write([loggedOf(), loggedOf()])
      yield* second.close
      assert.strictEqual(framesOf(file).length, 4)
    })
  )

  it.live("goes to a reader after a handshake, and the stream is ended as one", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "reader.sock")
      const reader = yield* frameReader({ path })
      const { write, close, counts } = yield* opened({ kind: "unix", path })
      for (let i = 0; i < 10; i++) write(Array(10).fill(loggedOf()))
      yield* close
      assert.deepStrictEqual(reader.controls, [[READY, START, STOP]])
      assert.strictEqual(reader.frames().length, 200)
      assert.deepStrictEqual([...counts], [["log.dnstap.written", 100]])
    })
  )

  it.live("waits for a reader that is not there yet, or is started anew", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "reader.sock")
      const { write, counts, said } = yield* opened({ kind: "unix", path })
      write([loggedOf()])
      yield* until("the absence is said", () => said.length === 1)
      assert.strictEqual(said[0]?.fields["reason"], "ENOENT")
      const reader = yield* frameReader({ path })
      yield* until("it got what waited", () => reader.frames().length === 2)
      reader.hangUp()
      yield* until("it is connected again", () => reader.controls.length === 2 && reader.controls[1]!.includes(START))
      write([loggedOf()])
      yield* until("it got the next", () => reader.frames().length === 4)
      yield* until("its return is said", () => {
        write([])
        return said.at(-1)?.level === "info"
      })
      assert.strictEqual(said.filter(({ level }) => level === "info").length, said.length / 2)
      yield* until("all is written", () => counts.get("log.dnstap.written") === 2)
      assert.isUndefined(counts.get("log.dnstap.lost"))
    })
  )

  it.live("costs lines and no memory while its reader does not read; every line is counted", () =>
    Effect.gen(function* () {
      const reader = yield* frameReader()
      const { write, close, counts, said } = yield* opened(tcp(reader.port))
      const batch = Array(1_000).fill(loggedOf())
      write(batch)
      yield* until("it reads", () => reader.frames().length === 2_000)
      reader.pause(true)
      let written = 1_000
      while ((counts.get("log.dnstap.lost") ?? 0) < 10_000) {
        write(batch)
        written += 1_000
        yield* Effect.sleep(0)
      }
      // Beyond what waits, only the kernel holds something.
      assert.isBelow(written * 200, MAX_WAITING_OCTETS + (64 << 20))
      assert.deepStrictEqual(
        said.map(({ fields }) => fields["reason"]),
        ["its reader is slow"]
      )
      reader.pause(false)
      yield* until("it has read all that waited", () => {
        const lost = counts.get("log.dnstap.lost") ?? 0
        write([])
        return counts.get("log.dnstap.written") === written - lost && said.length === 2
      })
      yield* close
      assert.strictEqual(reader.frames().length, 2 * counts.get("log.dnstap.written")!)
    })
  )

  it.live("ends soon though its reader does not read", () =>
    Effect.gen(function* () {
      const reader = yield* frameReader()
      const { write, close, counts } = yield* opened(tcp(reader.port))
      write([loggedOf()])
      yield* until("it reads", () => reader.frames().length === 2)
      reader.pause(true)
      for (let i = 0; i < 200; i++) {
        write(Array(1_000).fill(loggedOf()))
        yield* Effect.sleep(0)
      }
      const startedMs = performance.now()
      yield* close
      assert.isBelow(performance.now() - startedMs, 1_500)
      assert.strictEqual(counts.get("log.dnstap.written")! + counts.get("log.dnstap.lost")!, 200_001)
    })
  )

  it.live("goes to no reader of something else, and to none that does not answer", () =>
    Effect.gen(function* () {
      const other = yield* frameReader({ accepts: "protobuf:other" })
      const { said } = yield* opened(tcp(other.port))
      yield* until("the reason is said", () => said.length === 1)
      assert.strictEqual(said[0]?.fields["reason"], "its reader takes no dnstap")
      const mute = yield* frameReader({ isMute: true })
      const waiting = yield* opened(tcp(mute.port))
      yield* until("the reason is said", () => waiting.said.length === 1)
      assert.strictEqual(waiting.said[0]?.fields["reason"], "its reader does not answer")
    })
  )
})

describe.skipIf(fstrmCapture === undefined || dnstapTool === undefined)("dnstap's own tools", () => {
  it.live("take the stream at a socket, and print what is in it", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const [socket, file] = [join(directory, "reader.sock"), join(directory, "captured")]
      const capture = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(fstrmCapture!, ["-t", "protobuf:dnstap.Dnstap", "-u", socket, "-w", file], { stdio: "ignore" })
        ),
        (child) => Effect.promise(() => ended(child))
      )
      yield* until("it listens", () => existsSync(socket))
      const { write, close, counts } = yield* opened({ kind: "unix", path: socket })
      write(Array.from({ length: 50 }, (_, i) => loggedOf({ named: `n${i}.example.test`, type: 28 })))
      yield* until("all is written", () => counts.get("log.dnstap.written") === 50)
      yield* close
      yield* Effect.promise(() => ended(capture))
      const { stdout, status } = spawnSync(dnstapTool!, ["-r", file, "-q"], { encoding: "utf8" })
      assert.strictEqual(status, 0)
      const lines = stdout.trim().split("\n")
      assert.strictEqual(lines.length, 100)
      assert.match(lines[0]!, /CQ 192\.0\.2\.7 UDP 33b "n0\.example\.test\." IN AAAA/)
      assert.match(lines[99]!, /CR 192\.0\.2\.7 UDP 34b "n49\.example\.test\." IN AAAA/)
    })
  )
})

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once("exit", () => resolve())
    child.kill("SIGTERM")
  })
