/** The whole server, on free loopback ports, and a client for it. */

import { createSocket } from "node:dgram"
import { connect } from "node:net"
import packet, { type DecodedPacket, type OptAnswer, type Question } from "dns-packet"
import { ConfigProvider, Effect, Layer, Logger, type Scope } from "effect"
import { Configuration, load } from "../../../src/config/configuration.ts"
import { Listeners } from "../../../src/listener/listeners.ts"
import type { Listening } from "../../../src/listener/listening.ts"
import { standaloneLayer } from "../../../src/process/server.ts"
import { layerDatagrams } from "../../../src/process/transports.ts"
import { Counters } from "../../../src/telemetry/counters.ts"
import { onReply } from "../clients/udp-client.ts"
import { framed } from "../upstreams/fake-upstream.ts"

export interface RunningServer {
  /** Of the first listener. */
  readonly port: number
  /** What it listens on, in the order of the configuration. */
  readonly listening: ReadonlyArray<Listening>
  readonly counters: Counters["Service"]
  readonly ask: (question: AskOptions) => Effect.Effect<DecodedPacket>
}

export interface AskOptions {
  readonly name: string
  readonly type?: Question["type"]
  readonly tcp?: boolean
  readonly edns?: Partial<OptAnswer>
  readonly flags?: number
  readonly timeoutMs?: number
}

/** `DNS_SERVER_DATAGRAMS=portable npm test` runs all tests the portable way. */
const choice = process.env["DNS_SERVER_DATAGRAMS"]
export const datagramsOfRun: Record<string, string> = choice === undefined ? {} : { DNS_SERVER_DATAGRAMS: choice }

/**
 * Starts the server with these settings over the defaults; listens on a free port unless told otherwise.
 *
 * @param lines where its log's go
 */
export const startServer = (
  settings: Record<string, string>,
  lines: Array<string> = []
): Effect.Effect<RunningServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const environment = { DNS_SERVER_LISTEN: "127.0.0.1:0", ...datagramsOfRun, ...settings }
    const loaded = yield* load(undefined).pipe(
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: environment }))
    )
    const context = yield* Layer.build(
      standaloneLayer.pipe(
        Layer.provide(
          Layer.mergeAll(
            Configuration.layer(loaded.settings),
            layerDatagrams(loaded.settings.datagrams),
            Logger.layer([Logger.make(({ message }) => lines.push(String([message].flat()[0])))])
          )
        )
      )
    )
    const { listeners, counters } = yield* Effect.all({ listeners: Listeners, counters: Counters }).pipe(
      Effect.provideContext(context)
    )
    const listening = listeners.current()
    const port = listening[0]!.endpoint.port
    return { port, listening, counters, ask: (options: AskOptions) => ask(port, options) }
  }).pipe(Effect.orDie)

export const encodeQuestion = (options: AskOptions, id: number): Buffer =>
  packet.encode({
    type: "query",
    id,
    flags: options.flags ?? packet.RECURSION_DESIRED,
    questions: [{ name: options.name, type: options.type ?? "A" }],
    additionals:
      options.edns === undefined
        ? []
        : [{ name: ".", type: "OPT", udpPayloadSize: 1232, flags: 0, options: [], ...options.edns } as OptAnswer]
  })

/** Asks once; dies when no answer comes in time. */
export const ask = (port: number, options: AskOptions): Effect.Effect<DecodedPacket> => {
  const id = Math.floor(Math.random() * 65_536)
  const message = encodeQuestion(options, id)
  const answer = options.tcp === true ? askTcp(port, message) : askUdp(port, message)
  return answer.pipe(
    Effect.map((octets) => packet.decode(octets)),
    Effect.timeout(options.timeoutMs ?? 60_000),
    Effect.orDie
  )
}

/** Sends all messages from one socket, and gives what comes back first. */
export const askUdp = (port: number, ...messages: ReadonlyArray<Buffer>): Effect.Effect<Buffer> =>
  Effect.callback<Buffer>((resume) => {
    const socket = createSocket("udp4")
    const stop = onReply(socket, port, (octets) => {
      stop()
      socket.close()
      resume(Effect.succeed(octets))
    })
    for (const message of messages) socket.send(message, port, "127.0.0.1")
    return Effect.sync(() => socket.close())
  })

/**
 * Sends all messages in one write on one connection, and gives the answers in the order in which they came.
 *
 * @param expected how many answers are waited for: by default, as many as there are messages
 */
export const askPipelined = (
  port: number,
  messages: ReadonlyArray<Buffer>,
  expected = messages.length
): Effect.Effect<ReadonlyArray<Buffer>> =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1")
    const answers: Array<Buffer> = []
    let rest = Buffer.alloc(0)
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const end = 2 + rest.readUInt16BE(0)
        answers.push(rest.subarray(2, end))
        rest = rest.subarray(end)
      }
      if (answers.length >= expected) resume(Effect.succeed(answers))
    })
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.succeed(answers)))
    socket.write(Buffer.concat(messages.map(framed)))
    return Effect.sync(() => socket.destroy())
  })

const askTcp = (port: number, message: Buffer): Effect.Effect<Buffer> =>
  Effect.map(askPipelined(port, [message]), (answers) => answers[0]!)

/** The data of the A records of an answer. */
export const addressesOf = (answer: DecodedPacket): ReadonlyArray<string> =>
  (answer.answers ?? []).flatMap((record) => (record.type === "A" ? [record.data] : []))

export const rcodeOf = (answer: DecodedPacket): string => (answer as DecodedPacket & { rcode: string }).rcode
