/** The ways by which clients ask, and a client of each, of a server that listens in all of them. */
import type { Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { FrameReader } from "../../src/io/frames.ts"
import type { ListenProtocol } from "../../src/io/protocols.ts"
import { DNS_MESSAGE, openHttps, request } from "../support/clients/https-client.ts"
import { openTcp } from "../support/clients/tcp-client.ts"
import { askUdp, type RunningServer, startServer } from "../support/servers/server.ts"
import { clientByTls } from "../support/servers/stream-server.ts"
import { type FakeUpstream, framed, type WireBehaviour, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { headerOnly } from "../support/wire/packets/headers.ts"

export const ways = ["UDP", "TCP", "TLS", "HTTPS"] as const
export type Way = (typeof ways)[number]

/** Where a server listens in all of them. */
export const EVERYWHERE = { DNS_SERVER_LISTEN: "127.0.0.1:0,tls://127.0.0.1:0,https://127.0.0.1:0" }

export interface Served {
  readonly server: RunningServer
  readonly upstream: FakeUpstream
}

/** Nothing is sent twice because it is late, on however busy a machine: tests count what upstreams are asked. */
export const PATIENT = {
  DNS_SERVER_RETRIES: "0",
  DNS_SERVER_ATTEMPT_TIMEOUT_MS: "30000",
  DNS_SERVER_QUERY_TIMEOUT_SECS: "60"
}

/** A server in front of one upstream, over real sockets. It asks each question once, unless told otherwise. */
export const serve = (
  behaviour: WireBehaviour,
  settings: Record<string, string> = {}
): Effect.Effect<Served, never, Scope.Scope> =>
  Effect.gen(function* () {
    const upstream = yield* wireUpstream(behaviour)
    const server = yield* startServer({ DNS_SERVER_UPSTREAMS: upstream.address, ...PATIENT, ...settings })
    return { server, upstream }
  })

/** The port at which this is spoken. */
export const portOf = ({ listening }: RunningServer, protocol: ListenProtocol): number =>
  listening.find((each) => each.protocol === protocol)!.endpoint.port

export interface WayClient {
  /** What comes back for a message; the messages of one client are asked one after the other. */
  readonly ask: (message: Uint8Array) => Effect.Effect<Buffer>
  /** Whether nothing comes back for it: what comes first is the answer to another message sent behind it. */
  readonly isPassedOver: (message: Uint8Array) => Effect.Effect<boolean>
}

/** Answered at once, and told from all else by its opcode. */
const SENTINEL_OPCODE = 9
const sentinel = headerOnly(SENTINEL_OPCODE)
const isOfSentinel = (reply: Buffer): boolean => ((reply[2]! >> 3) & 15) === SENTINEL_OPCODE

export const clientOf = (way: Way, server: RunningServer): Effect.Effect<WayClient, never, Scope.Scope> => {
  switch (way) {
    case "UDP":
      return Effect.succeed({
        ask: (message) => askUdp(server.port, Buffer.from(message)),
        isPassedOver: (message) =>
          Effect.map(askUdp(server.port, Buffer.from(message), Buffer.from(sentinel)), isOfSentinel)
      })
    case "TCP":
      return Effect.map(openTcp(portOf(server, "tcp")), overStream)
    case "TLS":
      return Effect.map(openTls(portOf(server, "tls")), overStream)
    case "HTTPS":
      return Effect.map(openHttps(portOf(server, "https")), (session) => {
        const post = (message: Uint8Array) =>
          request(session, { ":method": "POST", "content-type": DNS_MESSAGE }, message)
        return {
          ask: (message) => Effect.map(post(message), ({ body }) => body),
          isPassedOver: (message) => Effect.map(post(message), ({ status }) => status === 400)
        }
      })
  }
}

export interface FramedClient {
  readonly socket: Socket
  /** The messages that came, in their order. */
  readonly answers: ReadonlyArray<Buffer>
  readonly awaitAnswers: (count: number) => Effect.Effect<void>
  /** Waits until the server has closed its side. */
  readonly awaitClose: Effect.Effect<void>
}

/** A connection by TLS that carries DNS, as `openTcp` opens one without. */
export const openTls = (port: number): Effect.Effect<FramedClient, never, Scope.Scope> =>
  Effect.map(clientByTls({ address: "127.0.0.1", port }, { ALPNProtocols: ["dot"] }), (socket) => {
    const answers: Array<Buffer> = []
    const frames = new FrameReader()
    let isClosed = false
    let onChange = (): void => {}
    socket.on("data", (chunk: Buffer) => {
      frames.push(chunk, (answer) => answers.push(Buffer.from(answer)))
      onChange()
    })
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        isClosed = true
        onChange()
      })
    }
    const awaitThat = (holds: () => boolean): Effect.Effect<void> =>
      Effect.callback((resume) => {
        onChange = () => {
          if (holds()) resume(Effect.void)
        }
        onChange()
      })
    return {
      socket,
      answers,
      awaitAnswers: (count) => awaitThat(() => isClosed || answers.length >= count),
      awaitClose: awaitThat(() => isClosed)
    }
  })

const overStream = (client: Pick<FramedClient, "socket" | "answers" | "awaitAnswers">): WayClient => {
  const { answers, awaitAnswers, socket } = client
  const next = (...messages: ReadonlyArray<Uint8Array>): Effect.Effect<Buffer> =>
    Effect.suspend(() => {
      const before = answers.length
      socket.write(Buffer.concat(messages.map(framed)))
      return Effect.map(awaitAnswers(before + 1), () => answers[before]!)
    })
  return {
    ask: (message) => next(message),
    isPassedOver: (message) => Effect.map(next(message, sentinel), isOfSentinel)
  }
}
