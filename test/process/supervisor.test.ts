import { assert, describe, it } from "@effect/vitest"
import packet, { type DecodedPacket } from "dns-packet"
import { Effect, Layer, Logger, type Scope } from "effect"
import { AnswerCache } from "../../src/cache/answer-cache.ts"
import type { Loaded } from "../../src/config/configuration.ts"
import type { ChangeRefused } from "../../src/config/live-configuration.ts"
import { layerSupervisor, Supervisor } from "../../src/process/supervisor.ts"
import { type Client, openClients } from "../support/clients/clients.ts"
import { refusalAt } from "../support/clients/refusal.ts"
import { awaitDescriptors, descriptorsOf } from "../support/machine/descriptors.ts"
import { freePort } from "../support/machine/ports.ts"
import { peek } from "../support/servers/kept.ts"
import { addressesOf, ask, encodeQuestion, rcodeOf } from "../support/servers/server.ts"
import { loadedOf } from "../support/servers/settings.ts"
import { type Threads, watchThreads } from "../support/servers/threads.ts"
import { address, failing, fakeUpstream } from "../support/upstreams/fake-upstream.ts"
import { asked, wireName } from "../support/wire/messages.ts"

const MIB = 1024 * 1024
/** So many that no thread is left without one. */
const CLIENTS = 32
/** A thread that is ready hears of what it has missed a moment later. */
const ROUNDS = 500
const PAUSE_MS = 10

interface Supervised {
  readonly supervisor: Supervisor["Service"]
  /** The supervisor's own view of the cache. */
  readonly cache: AnswerCache["Service"]
  readonly clients: ReadonlyArray<Client>
  readonly threads: Threads
  readonly awaitReady: Effect.Effect<void>
  /** What it was started with, and a change of it. */
  readonly first: Loaded
  readonly change: (settings: Record<string, string>) => Effect.Effect<void, ChangeRefused>
  /** Has the configuration changed to a cache of so many MiB. */
  readonly resizeCache: (mib: number) => Effect.Effect<void, ChangeRefused>
}

/** Two threads, and clients of both of them. */
const supervise = (
  upstream: string,
  settings: Record<string, string> = {}
): Effect.Effect<Supervised, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const threads = yield* watchThreads
    const environment = {
      DNS_SERVER_LISTEN: "127.0.0.1:0",
      DNS_SERVER_WORKERS: "2",
      DNS_SERVER_UPSTREAMS: upstream,
      DNS_SERVER_CACHE_SIZE_MB: "2",
      // However busy the machine is, what is asked is answered.
      DNS_SERVER_RETRIES: "0",
      DNS_SERVER_ATTEMPT_TIMEOUT_MS: "20000",
      DNS_SERVER_QUERY_TIMEOUT_SECS: "20",
      DNS_SERVER_LOG_LEVEL: "none",
      ...settings
    }
    const loaded = loadedOf(environment)
    const context = yield* Layer.build(Layer.provide(layerSupervisor(loaded), Logger.layer([])))
    const { supervisor, cache } = yield* Effect.all({ supervisor: Supervisor, cache: AnswerCache }).pipe(
      Effect.provideContext(context)
    )
    const clients = yield* openClients(supervisor.listening()[0]!.endpoint.port, CLIENTS)
    const awaitReady = Effect.gen(function* () {
      while (supervisor.workers().some(({ state }) => state !== "ready")) yield* Effect.sleep(20)
    })
    const resizeCache = (mib: number) =>
      supervisor.apply(loadedOf({ ...environment, DNS_SERVER_CACHE_SIZE_MB: String(mib) }))
    const change = (settings: Record<string, string>) => supervisor.apply(loadedOf({ ...environment, ...settings }))
    return { supervisor, cache, clients, threads, awaitReady, resizeCache, change, first: loaded }
  })

let lastId = 0

/** Each client asks for a name; all at once. */
const askAll = (
  clients: ReadonlyArray<Client>,
  nameOf: (client: number) => string
): Effect.Effect<ReadonlyArray<DecodedPacket>> =>
  Effect.forEach(
    clients,
    (client, i) => {
      lastId = (lastId + 1) & 0xffff
      return Effect.map(client.ask(encodeQuestion({ name: nameOf(i) }, lastId)), (answer) => packet.decode(answer))
    },
    { concurrency: "unbounded" }
  )

/**
 * Answers that threads keep, and the supervisor finds: all of them look into one table. A thread that finds the table
 * locked keeps nothing, and asks again the next time; one that looks into another table would never ask again.
 */
const assertOneTable = ({ clients, cache }: Supervised, label: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const nameOf = (i: number): string => `${label}${i}.example.test`
    const isMissing = (_: Client, i: number): boolean => peek(cache, asked(nameOf(i))) === undefined
    for (let round = 0; round < ROUNDS && clients.some(isMissing); round++) {
      if (round > 0) yield* Effect.sleep(PAUSE_MS)
      const answers = yield* askAll(clients, nameOf)
      for (const answer of answers) assert.strictEqual(rcodeOf(answer), "NOERROR")
    }
    assert.deepStrictEqual(clients.filter(isMissing), [])
  })

/** Asks all threads for the name: two that store at once may find each other's lock, and keep nothing. */
const askUntilKept = ({ clients, cache }: Supervised, name: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    do {
      for (const answer of yield* askAll(clients, () => name)) assert.strictEqual(rcodeOf(answer), "NOERROR")
    } while (peek(cache, asked(name)) === undefined)
  })

describe("a flush", () => {
  const flushes = {
    "of a name": (supervisor: Supervisor["Service"]) => supervisor.flushName(wireName("www.example.test")),
    "of a tree": (supervisor: Supervisor["Service"]) => supervisor.flushTree(wireName("example.test")),
    "of everything": (supervisor: Supervisor["Service"]) => supervisor.flushAll
  }
  for (const [what, flush] of Object.entries(flushes)) {
    it.live(`${what} is seen by all threads, for answers and for failures`, () =>
      Effect.gen(function* () {
        let behaviour = address("192.0.2.1")
        const upstream = yield* fakeUpstream((query, transport, count) => behaviour(query, transport, count))
        const supervised = yield* supervise(upstream.address)
        const { supervisor, clients } = supervised
        const answersToAll = Effect.map(
          askAll(clients, () => "www.example.test"),
          (answers) => Array.from(new Set(answers.map((answer) => addressesOf(answer)[0] ?? rcodeOf(answer))))
        )
        yield* askUntilKept(supervised, "www.example.test")
        behaviour = failing(2)
        assert.deepStrictEqual(yield* answersToAll, ["192.0.2.1"])
        yield* flush(supervisor)
        // Now each thread keeps the failure.
        assert.deepStrictEqual(yield* answersToAll, ["SERVFAIL"])
        behaviour = address("192.0.2.2")
        yield* flush(supervisor)
        assert.deepStrictEqual(yield* answersToAll, ["192.0.2.2"])
      })
    )
  }

  it.live("is not made at all where a thread does not answer", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const supervised = yield* supervise(upstream.address)
      const { supervisor, clients, threads } = supervised
      yield* askUntilKept(supervised, "www.example.test")
      const before = upstream.queries()
      threads.onMessage = (message, { worker }) => worker !== 2 || message.kind !== "prepare"
      const refusal = yield* Effect.flip(supervisor.flushAll)
      assert.strictEqual(refusal.message, "worker 2 did not answer in time")
      yield* askAll(clients, () => "www.example.test")
      assert.strictEqual(upstream.queries(), before)
    })
  )
})

describe("the cache's memory", () => {
  it.live("moves in all threads, with what is kept in it", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const supervised = yield* supervise(upstream.address)
      const { clients, cache } = supervised
      yield* assertOneTable(supervised, "before")
      const queries = upstream.queries()
      yield* supervised.resizeCache(4)
      assert.isAbove(cache.memory().byteLength, 3 * MIB)
      yield* askAll(clients, (i) => `before${i}.example.test`)
      assert.strictEqual(upstream.queries(), queries)
      yield* assertOneTable(supervised, "after")
    })
  )

  it.live("stays where it is in all of them when one does not answer", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const supervised = yield* supervise(upstream.address)
      const { cache, threads } = supervised
      const before = cache.memory()
      threads.onMessage = (message, { worker }) => worker !== 2 || message.kind !== "prepare"
      const refusal = yield* Effect.flip(supervised.resizeCache(4))
      assert.strictEqual(refusal.message, "worker 2 did not answer in time")
      assert.strictEqual(cache.memory(), before)
      threads.onMessage = () => true
      yield* assertOneTable(supervised, "after")
      yield* supervised.resizeCache(4)
      yield* assertOneTable(supervised, "later")
    })
  )

  it.live("stays where it is when one dies before it has agreed; its successor shares it", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const supervised = yield* supervise(upstream.address)
      const { supervisor, cache, threads, awaitReady } = supervised
      const before = cache.memory()
      threads.onMessage = (message, { worker, thread }) => {
        if (worker !== 2 || message.kind !== "prepare") return true
        void thread.terminate()
        return false
      }
      const refusal = yield* Effect.flip(supervised.resizeCache(4))
      assert.strictEqual(refusal.message, "worker 2 ended")
      assert.strictEqual(cache.memory(), before)
      threads.onMessage = () => true
      yield* awaitReady
      assert.strictEqual(supervisor.workers()[1]!.replacements, 1)
      yield* assertOneTable(supervised, "after")
    })
  )

  it.live("moves all the same when one dies after it has agreed: its successor is born with it", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const supervised = yield* supervise(upstream.address)
      const { supervisor, cache, threads, awaitReady } = supervised
      const before = cache.memory()
      threads.onMessage = (message, { worker, thread }) => {
        if (worker !== 2 || message.kind !== "commit") return true
        void thread.terminate()
        return false
      }
      yield* supervised.resizeCache(4)
      assert.notStrictEqual(cache.memory(), before)
      threads.onMessage = () => true
      yield* awaitReady
      assert.strictEqual(supervisor.workers()[1]!.replacements, 1)
      yield* assertOneTable(supervised, "after")
    })
  )

  it.live("is heard of by a thread that was being born while it moved", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const supervised = yield* supervise(upstream.address)
      const { supervisor, threads, awaitReady } = supervised
      const isBorn = new Promise<void>((resolve) => {
        threads.onStart = () => resolve()
      })
      yield* Effect.promise(() => threads.started[1]!.thread.terminate())
      yield* Effect.promise(() => isBorn)
      assert.strictEqual(supervisor.workers()[1]!.state, "starting")
      yield* supervised.resizeCache(4)
      yield* awaitReady
      yield* assertOneTable(supervised, "after")
    })
  )
})

describe("another configuration", () => {
  for (const kind of ["prepare", "commit"] as const) {
    it.live(`is every thread's in the end, or no thread's, where one is killed when it is told to ${kind}`, () =>
      Effect.gen(function* () {
        const [one, two] = [yield* fakeUpstream(address("192.0.2.1")), yield* fakeUpstream(address("192.0.2.2"))]
        const supervised = yield* supervise(one.address)
        const { supervisor, clients, threads, awaitReady, change } = supervised
        threads.onMessage = (message, { worker, thread }) => {
          if (worker !== 2 || message.kind !== kind) return true
          void thread.terminate()
          return false
        }
        const exit = yield* Effect.exit(change({ DNS_SERVER_UPSTREAMS: two.address }))
        assert.strictEqual(exit._tag, kind === "prepare" ? "Failure" : "Success")
        threads.onMessage = () => true
        yield* awaitReady
        const expected = kind === "prepare" ? "192.0.2.1" : "192.0.2.2"
        const answers = yield* askAll(clients, (i) => `${kind}${i}.example.test`)
        assert.deepStrictEqual([...new Set(answers.map((answer) => addressesOf(answer)[0]))], [expected])
        yield* supervisor.apply(supervised.first)
        const back = yield* askAll(clients, (i) => `${kind}-back${i}.example.test`)
        assert.deepStrictEqual([...new Set(back.map((answer) => addressesOf(answer)[0]))], ["192.0.2.1"])
      })
    )
  }

  it.live("has threads that have not begun by then in the end: more of them, and fewer", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* fakeUpstream(address("192.0.2.1")), yield* fakeUpstream(address("192.0.2.2"))]
      const { supervisor, clients, change } = yield* supervise(one.address)
      for (const [workers, upstream, expected] of [
        ["3", two, "192.0.2.2"],
        ["1", one, "192.0.2.1"],
        ["2", two, "192.0.2.2"]
      ] as const) {
        yield* change({ DNS_SERVER_WORKERS: workers, DNS_SERVER_UPSTREAMS: upstream.address })
        assert.strictEqual(supervisor.workers().length, Number(workers))
        const answers = yield* askAll(clients, (i) => `${workers}-${i}.example.test`)
        assert.deepStrictEqual([...new Set(answers.map((answer) => addressesOf(answer)[0]))], [expected])
      }
    })
  )
})

describe("an address that is taken away", () => {
  for (const datagrams of ["auto", "portable"]) {
    it.live(`refuses connections at once, and comes back as often as one likes (${datagrams} datagrams)`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const { supervisor, change } = yield* supervise(upstream.address, { DNS_SERVER_DATAGRAMS: datagrams })
        const [usual] = supervisor.listening()
        const port = yield* freePort
        const one = `127.0.0.1:${usual!.endpoint.port}`
        for (let round = 0; round < 4; round++) {
          yield* change({ DNS_SERVER_LISTEN: `${one}, 127.0.0.1:${port}` })
          assert.isUndefined(yield* refusalAt(port))
          for (const tcp of [false, true]) {
            const answer = yield* ask(port, { name: `n${round}.example.test`, tcp })
            assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
          }
          yield* change({ DNS_SERVER_LISTEN: one })
          assert.strictEqual(yield* refusalAt(port), "ECONNREFUSED")
        }
      })
    )
  }
})

describe("a thread that dies as soon as it is born", () => {
  it.live("is started again after pauses that grow, leaves nothing open, and answers once it lives", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const supervised = yield* supervise(upstream.address)
      const { supervisor, threads, awaitReady } = supervised
      const deaths = 5
      const descriptors = descriptorsOf("self")
      const end = ({ thread }: { readonly thread: { terminate: () => Promise<number> } }): void => {
        void thread.terminate()
      }
      threads.onStart = (started) => {
        if (threads.started.length <= 2 + deaths) end(started)
      }
      end(threads.started[0]!)
      while (threads.started.length <= 2 + deaths) yield* Effect.sleep(20)
      yield* awaitReady
      yield* awaitDescriptors("self", descriptors)
      assert.strictEqual(supervisor.workers()[0]!.replacements, deaths + 1)
      assert.strictEqual(supervisor.workers()[1]!.replacements, 0)
      const births = threads.started.slice(2).map(({ bornMs }) => bornMs)
      const pauses = births.slice(1).map((bornMs, i) => bornMs - births[i]!)
      // The one before the first of them may have been long enough alive.
      assert.isAtLeast(pauses[1]!, 50)
      for (let i = 2; i < pauses.length; i++) assert.isAtLeast(pauses[i]!, 50 * 2 ** (i - 1))
      yield* assertOneTable(supervised, "after")
    })
  )
})
