import { randomUUID } from "node:crypto"
import { writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect, Fiber } from "effect"
import { libc } from "../../../src/io/linux/libc.ts"
import { NOTHING_HANDED_OVER, takeHandedOver } from "../../../src/process/systemd/handed-over.ts"
import { openClients } from "../../support/clients/clients.ts"
import { notifySocket, python, startHandedOver } from "../../support/external/systemd.ts"
import { makeFaults } from "../../support/faults/faults.ts"
import { fileWith } from "../../support/machine/files.ts"
import { until } from "../../support/machine/until.ts"
import { startListening } from "../../support/servers/process.ts"
import { addressesOf, ask, askUdp, datagramsOfRun, encodeQuestion } from "../../support/servers/server.ts"
import { address, fakeUpstream } from "../../support/upstreams/fake-upstream.ts"

const isPortable = datagramsOfRun["DNS_SERVER_DATAGRAMS"] === "portable"
const cannotHandOver = libc === undefined || python === undefined || isPortable

const QUESTION = encodeQuestion({ name: "www.example.test" }, 7)
const CLIENTS = 16

const environmentFor = (upstream: { readonly address: string }, workers = 1): Record<string, string> => ({
  DNS_SERVER_UPSTREAMS: upstream.address,
  DNS_SERVER_WORKERS: String(workers),
  DNS_SERVER_ADMIN: "off",
  DNS_SERVER_LOG_FORMAT: "json",
  DNS_SERVER_LISTEN: "127.0.0.1:{port}"
})

const answers = (output: string): number => output.match(/"message":"strand \S+ answers"/g)?.length ?? 0

describe("sockets that the service manager hands over", () => {
  for (const workers of [1, 3]) {
    it.live.skipIf(cannotHandOver)(`are where ${workers} workers answer, what waited in them before included`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* startHandedOver(["udp=127.0.0.1", "tcp=127.0.0.1"], environmentFor(upstream, workers))
        const early = yield* Effect.forkChild(askUdp(server.port, QUESTION))
        const earlyByTcp = yield* Effect.forkChild(ask(server.port, { name: "early.example.test", tcp: true }))
        yield* server.begin
        assert.deepStrictEqual(addressesOf(packet.decode(yield* Fiber.join(early))), ["192.0.2.1"])
        assert.deepStrictEqual(addressesOf(yield* Fiber.join(earlyByTcp)), ["192.0.2.1"])
        const clients = yield* openClients(server.port, CLIENTS)
        yield* Effect.forEach(clients, (client) => client.askUntil(QUESTION, 20), { concurrency: "unbounded" })
        for (const client of clients) assert.strictEqual(client.answers(), 20)
        assert.deepStrictEqual(addressesOf(yield* ask(server.port, { name: "late.example.test", tcp: true })), [
          "192.0.2.1"
        ])
        assert.notInclude(server.output(), "service manager")
        server.child.kill("SIGTERM")
        yield* until("the end", () => server.child.exitCode === 0)
      }).pipe(Effect.scoped)
    )
  }

  it.live.skipIf(cannotHandOver)("stay through changes of the workers and of the addresses", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { DNS_SERVER_LISTEN: _, DNS_SERVER_WORKERS: __, ...environment } = environmentFor(upstream)
      const file = yield* fileWith("", "strand.yaml")
      const server = yield* startHandedOver(["udp=127.0.0.1", "tcp=127.0.0.1"], environment, ["--config", file])
      let changes = 0
      const write = (text: string) =>
        Effect.gen(function* () {
          writeFileSync(file, text)
          changes++
          yield* until("the change", () => server.output().split("configuration read again; changed").length > changes)
        })
      const listen = `listen: 127.0.0.1:${server.port}\n`
      writeFileSync(file, `${listen}workers: 2\n`)
      yield* server.begin
      yield* until("the start", () => answers(server.output()) === 1)
      const clients = yield* openClients(server.port, CLIENTS)
      const askAll = (times: number) =>
        Effect.forEach(clients, (client) => client.askUntil(QUESTION, times), { concurrency: "unbounded" })
      yield* askAll(5)
      yield* write(`${listen}workers: 4\n`)
      yield* askAll(10)
      yield* write(`${listen}workers: 1\n`)
      yield* askAll(15)
      yield* write("listen: 127.0.0.1:0\nworkers: 1\n")
      const waiting = yield* Effect.forkChild(askUdp(server.port, QUESTION))
      yield* write(`${listen}workers: 2\n`)
      assert.deepStrictEqual(addressesOf(packet.decode(yield* Fiber.join(waiting))), ["192.0.2.1"])
      yield* askAll(20)
      for (const client of clients) assert.strictEqual(client.answers(), 20)
    }).pipe(Effect.scoped)
  )

  for (const fault of ["exit", "loop"] as const) {
    it.live.skipIf(cannotHandOver)(`are read by the other workers when one has the fault ${fault}`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const faults = yield* makeFaults
        const server = yield* startHandedOver(["udp=127.0.0.1", "tcp=127.0.0.1"], {
          ...environmentFor(upstream, 2),
          ...faults.environment
        })
        yield* server.begin
        yield* until("the start", () => answers(server.output()) === 1)
        const clients = yield* openClients(server.port, CLIENTS)
        yield* faults.cause(1, fault)
        yield* Effect.forEach(clients, (client) => client.askUntil(QUESTION, 50), { concurrency: "unbounded" })
        for (const client of clients) assert.strictEqual(client.answers(), 50)
        yield* until("the next thread", () => /worker 1 is replaced/.test(server.output()))
        assert.deepStrictEqual(addressesOf(yield* ask(server.port, { name: "late.example.test", tcp: true })), [
          "192.0.2.1"
        ])
      }).pipe(Effect.scoped)
    )
  }

  it.live.skipIf(cannotHandOver)("that listen does not name, or that are none of DNS, are warned of", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const sockets = ["udp=127.0.0.1", "tcp=127.0.0.1", "tcp=127.0.0.2", "unix="]
      const server = yield* startHandedOver(sockets, {
        ...environmentFor(upstream),
        LISTEN_FDNAMES: "dns:dns:other:private"
      })
      yield* server.begin
      yield* until("the start", () => answers(server.output()) === 1)
      assert.include(
        server.output(),
        `tcp://127.0.0.2:${server.port} is a socket of the service manager, and not in listen`
      )
      assert.match(server.output(), /private, a socket of the service manager, cannot be used/)
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(cannotHandOver)(
    "on all addresses of IPv6 are not taken where they take IPv4 too, and it is said why",
    () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* startHandedOver(["dual-udp=::"], {
          ...environmentFor(upstream),
          DNS_SERVER_LISTEN: "[::]:{port}"
        })
        yield* server.begin
        yield* until("the end", () => server.child.exitCode !== null)
        assert.strictEqual(server.child.exitCode, 1)
        assert.match(server.output(), /EADDRINUSE/)
        assert.match(server.output(), /BindIPv6Only=ipv6-only/)
      }).pipe(Effect.scoped)
  )

  it("are for the process that is named, and for no other", () => {
    for (const environment of [{}, { LISTEN_FDS: "2" }, { LISTEN_FDS: "2", LISTEN_PID: "41" }, { LISTEN_PID: "42" }]) {
      assert.strictEqual(takeHandedOver(libc, environment, 42), NOTHING_HANDED_OVER)
    }
    const { unusable } = takeHandedOver(undefined, { LISTEN_FDS: "2", LISTEN_PID: "42" }, 42)
    assert.match(unusable[0]!, /koffi/)
  })
})

describe("a service of Type=notify", () => {
  it.live.skipIf(libc === undefined || python === undefined)(
    "says when it answers, reads its configuration again, lives and ends",
    () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const name = `@strand-test-${randomUUID()}`
        const manager = yield* notifySocket(name)
        const file = yield* fileWith(`upstreams: [${upstream.address}]\n`, "strand.yaml")
        const server = yield* startListening({ NOTIFY_SOCKET: name, WATCHDOG_USEC: "100000" }, ["--config", file])
        const has = (pattern: RegExp, from = 0): boolean =>
          manager
            .received()
            .slice(from)
            .some((text) => pattern.test(text))
        yield* until("readiness", () =>
          has(/^READY=1\nSTATUS=answers at udp:\/\/127\.0\.0\.1:\d+, tcp:.* by 1 workers$/)
        )
        assert.match(manager.received()[0]!, /^READY=1/)
        yield* until("signs of life", () => manager.received().filter((text) => text === "WATCHDOG=1").length > 3)

        const reload = (pattern: RegExp) =>
          Effect.gen(function* () {
            const before = manager.received().length
            server.child.kill("SIGHUP")
            yield* until("the reload", () => has(/^READY=1/, before))
            const said = manager
              .received()
              .slice(before)
              .filter((text) => text !== "WATCHDOG=1")
            assert.match(said[0]!, /^RELOADING=1\nMONOTONIC_USEC=\d+$/)
            assert.match(said[1]!, pattern)
          })
        yield* reload(/by 1 workers$/)
        writeFileSync(file, "retries: 99\n")
        yield* until("the refusal", () => has(/; the last change was refused: The configuration has .*mistake/))
        yield* reload(/; the last change was refused: /)

        const before = manager.received().length
        server.child.kill("SIGTERM")
        assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
        yield* until("the end", () => has(/^STOPPING=1/, before))
      }).pipe(Effect.scoped)
  )
})
