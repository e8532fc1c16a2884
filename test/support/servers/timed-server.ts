/**
 * The whole server over a network in memory, with upstreams that a test drives, under the test's clock: for what
 * depends on time.
 */
import packet, { type DecodedPacket } from "dns-packet"
import { ConfigProvider, Context, Effect, Layer, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Configuration, load } from "../../../src/config/configuration.ts"
import type { ChangeRefused } from "../../../src/config/live-configuration.ts"
import { TextPeer } from "../../../src/io/peer.ts"
import * as PortableStreams from "../../../src/io/portable/streams.ts"
import { Listeners } from "../../../src/listener/listeners.ts"
import { standaloneLayer } from "../../../src/process/server.ts"
import { Counters } from "../../../src/telemetry/counters.ts"
import { SharedUpstreams } from "../../../src/upstream/health/shared-state.ts"
import { inSmallLetters, type Reaction, spelledAs, type WireBehaviour } from "../upstreams/fake-upstream.ts"
import { MemoryNetwork } from "./memory-network.ts"
import { type AskOptions, encodeQuestion } from "./server.ts"

const SERVER = { address: "127.0.0.1", port: 1053 }
/** Time moves on by so many milliseconds at a time. */
const STEP_MS = 5
/** The middle of a long time, in which nothing is expected to happen, passes faster. */
const LONG_STEP_MS = 100
const EDGE_MS = 1_000

export interface Timed {
  readonly answer: DecodedPacket
  /** Milliseconds of the test's clock, a step more at most. */
  readonly tookMs: number
}

export interface MemoryAskOptions extends AskOptions {
  /** The client's address, any; loopback unless told otherwise. */
  readonly from?: string
}

export interface MemoryServer {
  readonly counters: Counters["Service"]
  /** Has it run by other settings, on top of those that it was started with. */
  readonly change: (settings: Record<string, string>) => Effect.Effect<void, ChangeRefused>
  /** Sockets that are open, of clients, server and upstreams. */
  readonly sockets: () => number
  /** Asks, and lets time pass until the answer is there; dies after ten seconds of it. */
  readonly ask: (options: MemoryAskOptions) => Effect.Effect<Timed>
  /** Sends a question and does not wait; `got` says whether it has been answered. */
  readonly send: (options: MemoryAskOptions) => Effect.Effect<{ readonly got: () => DecodedPacket | undefined }>
  /** Lets time pass, and all that happens in it happen. */
  readonly pass: (ms: number) => Effect.Effect<void>
}

export interface MemoryUpstream {
  behaviour: WireBehaviour
  queries: number
}

/** Lets what is on its way arrive. */
const settle = Effect.promise(async () => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
})

const passTime = (ms: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* settle
    for (let passed = 0; passed < ms; ) {
      const isMiddle = passed >= EDGE_MS && ms - passed > EDGE_MS
      const step = Math.min(isMiddle ? LONG_STEP_MS : STEP_MS, ms - passed)
      yield* TestClock.adjust(step)
      yield* settle
      passed += step
    }
  })

/**
 * @param upstreams behaviours; they listen on 192.0.2.1:5301 and so on, as `address(n)` says
 * @param shared what this server is to know together with others, as threads of a process do
 */
export const memoryServer = (
  settings: Record<string, string>,
  upstreams: ReadonlyArray<MemoryUpstream>,
  shared?: SharedUpstreams
): Effect.Effect<MemoryServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const network = new MemoryNetwork()
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    for (const [i, upstream] of upstreams.entries()) {
      const socket = yield* network.bind(
        { address: "127.0.0.1", port: 5301 + i },
        {
          onBatch: (batch, count) => {
            for (let n = 0; n < count; n++) {
              const datagram = batch[n]!
              const query = Buffer.from(datagram.payload.subarray(0, datagram.length))
              const path = datagram.keepPath()
              const react = ({ reply: told, delayMs }: Reaction): void => {
                if (told === undefined) return
                const reply = spelledAs(query, told)
                const send = Effect.sync(() => {
                  socket.reserve().set(reply)
                  socket.send(reply.length, path)
                })
                fork(delayMs === undefined ? send : Effect.delay(send, delayMs))
              }
              for (const reaction of upstream.behaviour(inSmallLetters(query), "udp", ++upstream.queries))
                react(reaction)
            }
          }
        }
      )
    }
    const loadWith = (more: Record<string, string>) => {
      const env = {
        DNS_SERVER_LISTEN: `udp://${SERVER.address}:${SERVER.port}`,
        DNS_SERVER_TRACE_SAMPLING: "never",
        // Nobody moves the clock while the server closes.
        DNS_SERVER_SHUTDOWN_TIMEOUT_SECS: "0",
        DNS_SERVER_UPSTREAMS: upstreams.map((_, i) => address(i)).join(","),
        ...settings,
        ...more
      }
      return load(undefined).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })))
    }
    const loaded = yield* loadWith({})
    const context = yield* Layer.build(
      standaloneLayer.pipe(
        Layer.provideMerge(Configuration.layer(loaded.settings)),
        Layer.provide(
          Layer.mergeAll(network.layer, PortableStreams.layer, Logger.layer([]), Layer.succeed(SharedUpstreams, shared))
        )
      )
    )
    const counters = yield* Effect.provideContext(Effect.andThen(Listeners, Counters), context)
    const configuration = Context.get(context, Configuration)
    const change = (more: Record<string, string>) =>
      Effect.gen(function* () {
        const next = yield* Effect.orDie(loadWith(more))
        const { commit } = yield* configuration.prepare(next.settings)
        yield* commit
      })
    const send = (options: MemoryAskOptions) =>
      Effect.gen(function* () {
        let answer: DecodedPacket | undefined
        const client = yield* network.bind(
          { address: options.from ?? "127.0.0.1", port: 0 },
          {
            onBatch: (batch) => {
              answer = packet.decode(Buffer.from(batch[0]!.payload))
            }
          }
        )
        const question = encodeQuestion(options, 7)
        client.reserve().set(question)
        client.send(question.length, { peer: new TextPeer(SERVER) })
        yield* settle
        return { got: () => answer }
      })
    const scope = yield* Effect.scope
    const sendInScope = (options: MemoryAskOptions) => Effect.orDie(Scope.provide(send(options), scope))
    return {
      counters,
      change,
      sockets: () => network.size,
      send: sendInScope,
      pass: passTime,
      ask: (options: MemoryAskOptions) =>
        Effect.gen(function* () {
          const { got } = yield* sendInScope(options)
          let tookMs = 0
          while (got() === undefined && tookMs < 10_000) {
            yield* passTime(STEP_MS)
            tookMs += STEP_MS
          }
          const answer = got()
          if (answer === undefined) return yield* Effect.die(new Error(`no answer for ${options.name}`))
          return { answer, tookMs }
        })
    }
  }).pipe(Effect.orDie)

export const address = (upstream: number): string => `127.0.0.1:${5301 + upstream}`

/** What the answer's Extended DNS Errors are (RFC 8914). */
export const extendedErrorsOf = (answer: DecodedPacket): ReadonlyArray<number> =>
  (answer.additionals ?? []).flatMap((record) =>
    record.type === "OPT"
      ? (record.options as ReadonlyArray<{ code: number; data: Buffer }>)
          .filter(({ code }) => code === 15)
          .map(({ data }) => data.readUInt16BE(0))
      : []
  )
