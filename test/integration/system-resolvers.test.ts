/** The system's resolvers, when they change while the server asks them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mayMount, startListening } from "../support/servers/process.ts"
import { addressesOf, ask } from "../support/servers/server.ts"
import { type Behaviour, fakeUpstream, nameOf, reply } from "../support/upstreams/fake-upstream.ts"

/** Says by which resolver it was answered. */
const resolver = (data: string) =>
  fakeUpstream(((query) => [
    { reply: reply(query, { answers: [{ name: nameOf(query), type: "A", ttl: 600, data }] }) }
  ]) satisfies Behaviour)

const FIRST = "192.0.2.1"
const SECOND = "192.0.2.2"

const withResolvConf = (environment: Record<string, string>, first: string) =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-resolv-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const resolvConf = join(directory, "resolv.conf")
    const write = (text: string): void => writeFileSync(resolvConf, text)
    write(`nameserver ${first}\n`)
    const server = yield* startListening(environment, [], { resolvConf })
    let last = 0
    const askNew = Effect.suspend(() => Effect.map(ask(server.port, { name: `n${++last}.example` }), addressesOf))
    /** Asks new names until this resolver answers as many in a row as reach every thread. */
    const answeredBy = (data: string): Effect.Effect<void> =>
      Effect.gen(function* () {
        for (let inARow = 0; inARow < 30; ) {
          const [answered] = yield* askNew
          inARow = answered === data ? inARow + 1 : 0
          if (inARow === 0) yield* Effect.sleep(100)
        }
      })
    return { ...server, write, askNew, answeredBy }
  })

// They mostly wait until the file is looked at.
describe.skipIf(!mayMount).concurrent("the system's resolvers, where they are asked", () => {
  for (const workers of ["1", "2"]) {
    it.live(`are followed when they change, and what others have answered is forgotten (workers: ${workers})`, () =>
      Effect.gen(function* () {
        const [one, two] = [yield* resolver(FIRST), yield* resolver(SECOND)]
        const server = yield* withResolvConf({ DNS_SERVER_WORKERS: workers }, one.address)
        const kept = Effect.map(ask(server.port, { name: "kept.example" }), addressesOf)
        assert.deepStrictEqual(yield* kept, [FIRST])
        server.write(`# another network\nnameserver ${two.address}\n`)
        yield* server.answeredBy(SECOND)
        assert.deepStrictEqual(yield* kept, [SECOND])
        assert.include(server.output(), "the system's resolvers have changed")
        // Nobody is named, and then nobody that can be asked: who was asked before still is.
        server.write("# nothing\n")
        yield* Effect.sleep(2_500)
        assert.deepStrictEqual(yield* server.askNew, [SECOND])
        server.write(`nameserver ${one.address}\nnameserver ${two.address}\n`)
        yield* server.answeredBy(FIRST)
      })
    )
  }

  it.live("are read again at SIGHUP", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* resolver(FIRST), yield* resolver(SECOND)]
      const server = yield* withResolvConf({ DNS_SERVER_WORKERS: "1" }, one.address)
      assert.deepStrictEqual(yield* server.askNew, [FIRST])
      server.write(`nameserver ${two.address}\n`)
      server.child.kill("SIGHUP")
      while (!server.output().includes("configuration read again")) yield* Effect.sleep(20)
      assert.deepStrictEqual(yield* server.askNew, [SECOND])
      assert.notInclude(server.output(), "needs a restart")
    })
  )

  it.live("are used for the names of upstreams when they change", () =>
    Effect.gen(function* () {
      const one = yield* resolver(FIRST)
      const port = Number(one.address.split(":").at(-1))
      const names = yield* fakeUpstream((query) => [
        {
          reply: reply(query, {
            answers:
              query.questions![0]!.type === "A" ? [{ name: nameOf(query), type: "A", ttl: 1, data: "127.0.0.1" }] : []
          })
        }
      ])
      const dead = yield* fakeUpstream(() => [])
      const settings = { DNS_SERVER_WORKERS: "1", DNS_SERVER_UPSTREAMS: `udp://resolver.example:${port}` }
      const server = yield* withResolvConf({ ...settings, DNS_SERVER_QUERY_TIMEOUT_SECS: "1" }, dead.address)
      assert.deepStrictEqual(yield* server.askNew, [])
      server.write(`nameserver ${names.address}\n`)
      yield* server.answeredBy(FIRST)
    })
  )
})
