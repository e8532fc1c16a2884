/**
 * A server with something to see: clients that ask by habit, upstreams of which one is slow and one loses queries, a name that
 * takes long.
 */
import { createSocket } from "node:dgram"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { startWithAdmin } from "../../test/support/servers/admin.ts"
import { encodeQuestion } from "../../test/support/servers/server.ts"
import {
  address,
  type Behaviour,
  type FakeUpstream,
  failing,
  fakeUpstream,
  nameOf
} from "../../test/support/upstreams/fake-upstream.ts"

export interface Scene {
  /** Where the page is. */
  readonly url: string
  readonly port: number
  readonly upstreams: Readonly<Record<"near" | "far" | "reports", FakeUpstream>>
  readonly output: () => string
}

const random = (most: number): number => Math.random() * most

/** Answers after about so long; loses some; knows no name that begins with `gone`. */
const answering =
  (data: string, ms: number, lost: number, ttl: number): Behaviour =>
  (query, transport, count) => {
    if (Math.random() < lost) return []
    const inner = nameOf(query).startsWith("gone") ? failing(3) : address(data, Math.ceil(random(ttl)))
    return inner(query, transport, count).map((reaction) => ({ ...reaction, delayMs: ms * (0.7 + random(0.6)) }))
  }

const hosts = ["www", "api", "cdn", "mail", "img", "static", "login", "gone", "files", "metrics", "push", "video"]
const zones = ["example.com", "example.org", "example.net", "shop.example.com", "media.example.org"]
const types = ["A", "A", "A", "AAAA", "AAAA", "TXT", "MX"] as const

/** Some are asked for far more than others. */
const someName = (): string => {
  const at = Math.floor(Math.random() ** 2.4 * hosts.length * zones.length)
  return `${hosts[at % hosts.length]}.${zones[Math.floor(at / hosts.length)]}`
}

/** @param perSecond queries of the clients together; 0 for none */
export const startScene = (
  perSecond: number,
  environment: Readonly<Record<string, string>> = {}
): Effect.Effect<Scene, never, Scope.Scope> =>
  Effect.gen(function* () {
    const near = yield* fakeUpstream(answering("192.0.2.10", 6, 0.004, 60))
    const far = yield* fakeUpstream(answering("192.0.2.20", 34, 0.03, 60))
    const reports = yield* fakeUpstream(answering("192.0.2.30", 420, 0.15, 3))
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-scene-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const file = join(folder, "strand.yaml")
    const lines = [
      "# The resolvers of the house, and one behind the VPN.",
      `upstreams: [${near.address}, ${far.address}]`,
      "upstream_policy: round-robin",
      "attempt_timeout_ms: 300 # rather soon",
      "groups:",
      `  reports: { upstreams: [${reports.address}] }`,
      "rules:",
      "  - { suffix: reports.example.net, group: reports }",
      "local_answers:",
      "  - nas.example.com A 192.0.2.7"
    ]
    writeFileSync(file, `${lines.join("\n")}\n`)
    const started = yield* startWithAdmin({ DNS_SERVER_WORKERS: "2", ...environment }, ["--config", file])
    const url = `${started.url}/`
    if (perSecond > 0) yield* clients(started.port, perSecond)
    return { url, port: started.port, upstreams: { near, far, reports }, output: started.output }
  })

/** Ask as long as the scope lives, from several addresses. */
const clients = (port: number, perSecond: number): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const sockets = [2, 2, 2, 3, 3, 4, 5, 6].map((last) => {
        const socket = createSocket("udp4")
        socket.on("error", () => {})
        socket.bind(0, `127.0.0.${last}`)
        return socket
      })
      let id = 0
      const ask = (): void => {
        const socket = sockets[Math.floor(random(sockets.length))]!
        const choice = Math.random()
        const name = choice < 0.012 ? "quarterly.reports.example.net" : choice < 0.05 ? "nas.example.com" : someName()
        const type = choice < 0.05 ? "A" : types[Math.floor(random(types.length))]!
        const message = encodeQuestion({ name, type }, ++id & 0xffff)
        socket.send(message, port, "127.0.0.1")
      }
      const timers = Array.from({ length: 4 }, () => {
        const perTimer = perSecond / 4
        return setInterval(() => {
          const count = perTimer / 10
          for (let i = 0; i < count; i++) if (i + 1 <= count || Math.random() < count % 1) ask()
        }, 80 + random(40))
      })
      return () => {
        for (const timer of timers) clearInterval(timer)
        for (const socket of sockets) socket.close()
      }
    }),
    (stop) => Effect.sync(stop)
  )
