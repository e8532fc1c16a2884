/** The whole server, but for sockets: its clients and upstreams are in memory, its time is the test's. */
import packet, { type Answer, type DecodedPacket, type Question } from "dns-packet"
import { Clock, Effect, Layer, Logger, Random, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { Configuration } from "../../../src/config/configuration.ts"
import type { DatagramSocket, ReturnPath } from "../../../src/io/datagram.ts"
import { StreamTransport } from "../../../src/io/stream-transport.ts"
import { standaloneLayer } from "../../../src/process/server.ts"
import { Counters } from "../../../src/telemetry/counters.ts"
import { TraceSender } from "../../../src/telemetry/otlp/targets.ts"
import type { Trace } from "../../../src/telemetry/trace-tree.ts"
import { Inbox, send } from "../clients/inbox.ts"
import { inSmallLetters, reply, spelledAs } from "../upstreams/fake-upstream.ts"
import type { MemoryNetwork } from "./memory-network.ts"
import { encodeQuestion, rcodeOf } from "./server.ts"
import { settingsOf } from "./settings.ts"

const SERVER_PORT = 53
/** The wheel's timers fire so late at most. */
export const TICK = 5

/** A question that reached an upstream. */
export interface Asked {
  readonly name: string
  /** Of its EDNS options, the data of the one with this code. */
  readonly optionOf: (code: number) => Buffer | undefined
  readonly atMs: number
  readonly answer: (options: Parameters<typeof reply>[1]) => Effect.Effect<void>
}

export interface MemoryUpstream {
  readonly asked: ReadonlyArray<Asked>
}

export interface MemoryServer {
  readonly counters: Counters["Service"]
  /** Sends a question; what comes back stands in `answers`, in the order in which it came. */
  readonly ask: (name: string, type?: Question["type"]) => Effect.Effect<void>
  /** Sends a message as it is. */
  readonly send: (message: Uint8Array) => Effect.Effect<void>
  /** The traces of queries that are over, in the order in which they were built. */
  readonly traces: Effect.Effect<ReadonlyArray<Trace>>
  readonly answers: () => ReadonlyArray<DecodedPacket>
  /** The same, and gives what has come back by then; dies where nothing has. */
  readonly askAtOnce: (name: string) => Effect.Effect<DecodedPacket>
}

/** One A record. */
export const anAddress = (name: string, data: string, ttl = 60): { readonly answers: Array<Answer> } => ({
  answers: [{ name, type: "A", ttl, data }]
})

/** All that can happen without time passing has happened. */
export const settle: Effect.Effect<void> = TestClock.adjust(0).pipe(
  Effect.andThen(Effect.yieldNow),
  Effect.repeat({ times: 10 }),
  Effect.asVoid
)

/** Time passes, and all that follows from it happens. */
export const pass = (ms: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(ms), settle)

export const upstreamAt = (network: MemoryNetwork, port: number): Effect.Effect<MemoryUpstream, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.clockWith(Effect.succeed)
    const asked: Array<Asked> = []
    const socket: DatagramSocket = yield* network.bind(
      { address: "192.0.2.53", port },
      {
        onBatch: (batch, count) => {
          for (const datagram of batch.slice(0, count)) {
            const message = Buffer.from(datagram.payload.slice(0, datagram.length))
            asked.push(askedOf(socket, message, datagram.keepPath(), clock.currentTimeMillisUnsafe()))
          }
        }
      }
    )
    return { asked }
  }).pipe(Effect.orDie)

const askedOf = (socket: DatagramSocket, message: Buffer, path: ReturnPath, atMs: number): Asked => {
  const query = packet.decode(inSmallLetters(message))
  return {
    name: query.questions![0]!.name,
    optionOf: (code) => {
      const opt = query.additionals?.find((record) => record.type === "OPT")
      const options = (opt?.type === "OPT" ? opt.options : []) as ReadonlyArray<{ code: number; data?: Buffer }>
      return options.find((option) => option.code === code)?.data
    },
    atMs,
    answer: (options) =>
      Effect.andThen(
        Effect.sync(() => send(socket, spelledAs(message, reply(query, options)), path)),
        settle
      )
  }
}

/** The server in front of upstreams at these ports. */
export const memoryServer = (
  network: MemoryNetwork,
  upstreams: ReadonlyArray<number>,
  settings: Record<string, string> = {}
): Effect.Effect<MemoryServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const chosen = settingsOf({
      DNS_SERVER_LISTEN: `udp://127.0.0.1:${SERVER_PORT}`,
      DNS_SERVER_UPSTREAMS: upstreams.map((port) => `192.0.2.53:${port}`).join(","),
      DNS_SERVER_UPSTREAM_POLICY: "ordered",
      // When the scope closes, nobody moves the clock any more.
      DNS_SERVER_SHUTDOWN_TIMEOUT_SECS: "0",
      ...settings
    })
    const traces: Array<Trace> = []
    const context = yield* Layer.build(
      standaloneLayer.pipe(
        Layer.provide(Layer.mergeAll(Configuration.layer(chosen), network.layer, noStreams, Logger.layer([])))
      )
    ).pipe(
      Effect.provideService(Random.Random, least),
      Effect.provideService(TraceSender, () => Effect.succeed((trace: Trace) => void traces.push(trace)))
    )
    const counters = yield* Effect.provideContext(Counters, context)
    const inbox = new Inbox()
    const client = yield* network.connect({ address: "127.0.0.1", port: SERVER_PORT }, inbox)
    let lastId = 0
    const ask = (name: string, type: Question["type"] = "A"): Effect.Effect<void> =>
      Effect.andThen(
        Effect.sync(() => send(client, encodeQuestion({ name, type, edns: {} }, ++lastId))),
        settle
      )
    const answers = (): ReadonlyArray<DecodedPacket> =>
      inbox.received.map(({ octets }) => packet.decode(Buffer.from(octets)))
    return {
      counters,
      ask,
      send: (message: Uint8Array) =>
        Effect.andThen(
          Effect.sync(() => send(client, message)),
          settle
        ),
      // They are built in turns of the event loop behind this one.
      traces: Effect.as(
        Effect.repeat(
          Effect.promise(() => new Promise(setImmediate)),
          { times: 20 }
        ),
        traces
      ),
      answers,
      askAtOnce: (name: string) => Effect.map(ask(name), () => answers().find(({ id }) => id === lastId)!)
    }
  }).pipe(Effect.orDie)

/** Draws the least of every range: attempts start when they are said to, and not up to a fifth later. */
const least: Random.Random = { nextDoubleUnsafe: () => 0, nextIntUnsafe: () => 0 }

const noStreams = Layer.succeed(StreamTransport, {
  listen: () => Effect.die(new Error("no connections in memory"))
})

export const nameAndRcode = (answer: DecodedPacket): string => `${answer.questions![0]!.name} ${rcodeOf(answer)}`

/** The code and text of the first Extended DNS Error (RFC 8914), `22 no upstream …`; empty where there is none. */
export const extendedErrorOf = (answer: DecodedPacket): string => extendedErrorsOf(answer)[0] ?? ""

export const extendedErrorsOf = (answer: DecodedPacket): ReadonlyArray<string> => {
  const opt = answer.additionals?.find((record) => record.type === "OPT")
  const options = (opt?.type === "OPT" ? opt.options : []) as ReadonlyArray<{ code: number; data?: Buffer }>
  return options.flatMap(({ code, data }) =>
    code === 15 && data !== undefined ? [`${data.readUInt16BE(0)} ${data.toString("utf8", 2)}`.trimEnd()] : []
  )
}

/** An OPT that says so. */
export const sayingWhy = (code: number, text: string | Buffer): Answer => {
  const data = Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(text as string)])
  const opt = { name: ".", type: "OPT", udpPayloadSize: 1232, flags: 0, options: [{ code: 15, data }] }
  return opt as unknown as Answer
}
