/** Listeners that change while clients are there: certificates, protocols and addresses, by the file of a running server. */
import { writeFileSync } from "node:fs"
import { connect as connectTcp, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Errno, type Libc, libc } from "../../src/io/linux/libc.ts"
import { ListeningSockets } from "../../src/process/worker/listening-sockets.ts"
import { exchangeWithin, socketAt } from "../support/clients/udp-client.ts"
import { fileWith } from "../support/machine/files.ts"
import { freePort } from "../support/machine/ports.ts"
import { until } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { ask, encodeQuestion } from "../support/servers/server.ts"
import { certificateFor, testAuthority } from "../support/servers/tls-terms.ts"
import { address, fakeUpstream, framed } from "../support/upstreams/fake-upstream.ts"
import { streamUpstream } from "../support/upstreams/stream-upstream.ts"

const question = encodeQuestion({ name: "www.example.test" }, 7)

/** A server whose file says `listen`, and `more`; changed by `become`, which is over when the change is made. */
const startWith = (listen: string, more = "") =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream(address("192.0.2.1"))
    const textOf = (where: string): string =>
      `upstreams: ${upstream.address}\nworkers: 2\nlisten: [127.0.0.1:0, ${where}]\n${more}`
    const file = yield* fileWith(textOf(listen), "strand.yaml")
    const server = yield* startListening({ DNS_SERVER_LISTEN: "", DNS_SERVER_WORKERS: "" }, ["--config", file])
    const changes = (): number => server.output().split("configuration read again").length
    const become = (where: string) =>
      Effect.suspend(() => {
        const before = changes()
        writeFileSync(file, textOf(where))
        return until("it has changed", () => changes() > before)
      })
    return { ...server, become }
  })

/** Octets that come back to a query by TLS, over a connection that is there or a new one; none within ten seconds. */
const byTls = (port: number, options: { readonly socket?: Socket; readonly servername?: string } = {}) =>
  Effect.callback<number>((resume) => {
    const where = options.socket === undefined ? { host: "127.0.0.1", port } : { socket: options.socket }
    const socket = connectTls({ ...where, servername: options.servername ?? "", rejectUnauthorized: false }, () =>
      socket.write(framed(question))
    )
    socket.on("data", (chunk: Buffer) => resume(Effect.succeed(chunk.length)))
    socket.on("error", () => resume(Effect.succeed(0)))
    socket.setTimeout(10_000, () => resume(Effect.succeed(0)))
    return Effect.sync(() => socket.destroy())
  })

describe.skipIf(libc === undefined)("a listener", () => {
  it.live("that gets other certificates serves who came before, by any name that they were for", () =>
    Effect.gen(function* () {
      const names = ["one.test", "two.test"]
      const files = yield* Effect.forEach(names, (name) =>
        Effect.gen(function* () {
          const { certificate, key } = certificateFor(name)
          return { name, certificate: yield* fileWith(certificate), key: yield* fileWith(key) }
        })
      )
      const port = yield* freePort
      const listed = (what: "certificate" | "key"): string => files.map((file) => file[what]).join(", ")
      const server = yield* startWith(
        `tls://127.0.0.1:${port}`,
        `tls_certificate_file: [${listed("certificate")}]\ntls_key_file: [${listed("key")}]\n`
      )
      const early = yield* Effect.forEach(Array.from({ length: 8 }), () =>
        Effect.acquireRelease(
          Effect.callback<Socket>((resume) => {
            const socket = connectTcp(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
            socket.on("error", () => {})
          }),
          (socket) => Effect.sync(() => socket.destroy())
        )
      )
      // Accepted by then: a query by TCP that comes later is answered.
      yield* ask(server.port, { name: "www.example.test" })
      yield* Effect.sleep(200)
      const changes = (): number => server.output().split("configuration read again").length
      const before = changes()
      for (const { certificate, key, name } of files) {
        const next = certificateFor(name)
        writeFileSync(key, next.key)
        writeFileSync(certificate, next.certificate)
      }
      yield* until("they are read", () => changes() > before)
      for (const servername of names) assert.isAbove(yield* byTls(port, { servername }), 0)
      for (const socket of early) assert.isAbove(yield* byTls(port, { socket, servername: "two.test" }), 0)
      assert.isNull(server.child.exitCode)
    })
  )

  it.live("that speaks another protocol at the same address leaves no connection to nobody", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* startWith(`"tcp://127.0.0.1:${port}"`)
      yield* server.become(`"tls://127.0.0.1:${port}"`)
      for (let i = 0; i < 20; i++) assert.isAbove(yield* byTls(port), 0)
    })
  )

  it.live("of one address that becomes one of all loses no datagram", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const server = yield* startWith(`"udp://127.0.0.1:${port}"`)
      const client = yield* socketAt("127.0.0.1")
      assert.isDefined(yield* exchangeWithin(client, port, question, 5_000))
      for (const where of ["0.0.0.0", "127.0.0.1", "0.0.0.0"]) {
        yield* server.become(`"udp://${where}:${port}"`)
        for (let i = 0; i < 10; i++) assert.isDefined(yield* exchangeWithin(client, port, question, 5_000), where)
      }
    })
  )

  it.live("at whose TLS clients speak something else costs no connection to an upstream", () =>
    Effect.gen(function* () {
      const certificate = testAuthority.issue({ names: ["127.0.0.1"] })
      const upstream = yield* streamUpstream({ certificate })
      const port = yield* freePort
      const server = yield* startListening({
        DNS_SERVER_LISTEN: `127.0.0.1:0,tls://127.0.0.1:${port}`,
        DNS_SERVER_UPSTREAMS: `tls://127.0.0.1:${upstream.port}`,
        DNS_SERVER_TLS_CA_FILE: yield* fileWith(testAuthority.cert)
      })
      yield* ask(server.port, { name: "first.test" })
      for (let i = 0; i < 10; i++) {
        yield* Effect.callback<void>((resume) => {
          const socket = connectTcp(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n"))
          socket.on("error", () => {})
          socket.on("close", () => resume(Effect.void))
          socket.resume()
        })
        yield* ask(server.port, { name: `n${i}.test` })
      }
      assert.lengthOf(upstream.connections, 1)
    })
  )
})

describe.skipIf(libc === undefined)("sockets of an address that comes back", () => {
  it.live("as their time is nearly over stay open, and take datagrams again", () =>
    Effect.gen(function* () {
      const endpoints = [yield* freePort, yield* freePort].map((port) => ({ address: "127.0.0.1", port }))
      const [one, both] = [1, 2].map((count) =>
        endpoints.slice(0, count).map((endpoint) => ({ protocols: ["udp"] as const, endpoint, path: undefined }))
      )
      const sockets = yield* ListeningSockets.bind(libc!, both!, 2)
      yield* Effect.flatten(Effect.map(sockets.prepare(one!, 2, 300), ({ commit }) => commit))
      yield* Effect.sleep(200)
      const back = yield* sockets.prepare(both!, 2, 300)
      yield* Effect.sleep(300)
      const fresh = yield* back.freshFor(1)
      assert.isTrue(fresh.every(({ fd }) => fd > 0))
      yield* back.commit
      const room = new ArrayBuffer(512)
      const client = yield* socketAt("127.0.0.1")
      // One of the two sockets of the address gets it.
      client.send(question, endpoints[1]!.port, "127.0.0.1")
      const received = [...fresh, ...(yield* back.freshFor(2))].map(({ fd }) => fd)
      yield* until("it has come", () => received.some((fd) => libc!.recv(fd, libc!.addressOf(room), 512, 0x40) > 0))
      for (const fd of received) libc!.close(fd)
    })
  )
})

describe.skipIf(libc === undefined)("duplicates of the sockets for a worker", () => {
  it.live("are all of them or none, where descriptors run out in between", () =>
    Effect.gen(function* () {
      const duplicated = new Set<number>()
      let left = Number.POSITIVE_INFINITY
      const running: Libc = {
        ...libc!,
        dup: (fd) => {
          if (left-- <= 0) return -1
          const copy = libc!.dup(fd)
          duplicated.add(copy)
          return copy
        },
        close: (fd) => {
          duplicated.delete(fd)
          return libc!.close(fd)
        },
        errno: () => (left < 0 ? Errno.EMFILE : libc!.errno())
      }
      const addresses = [yield* freePort, yield* freePort].map((port) => ({
        protocols: ["udp", "tcp"] as const,
        endpoint: { address: "127.0.0.1", port },
        path: undefined
      }))
      const sockets = yield* ListeningSockets.bind(running, addresses, 1)
      for (const possible of [0, 1, 3]) {
        left = possible
        const { isExhaustion } = yield* Effect.flip(sockets.duplicatesFor(1))
        assert.isTrue(isExhaustion)
        assert.strictEqual(duplicated.size, 0)
      }
      left = Number.POSITIVE_INFINITY
      const given = yield* sockets.duplicatesFor(1)
      assert.deepStrictEqual(
        given.map(({ fd }) => fd),
        [...duplicated]
      )
      assert.lengthOf(given, 4)
      for (const { fd } of given) running.close(fd)
    })
  )
})
