/** An upstream that speaks the real wire on a real socket, and behaves as badly as a test wants. */
import { createSocket, type Socket as UdpSocket } from "node:dgram"
import { createServer, type Server, type Socket } from "node:net"
import packet, { type Answer, type Packet } from "dns-packet"
import { Effect, type Scope } from "effect"
import { freePort } from "../machine/ports.ts"

/** What to do with one query: bytes to send, after a delay, or nothing. */
export interface Reaction {
  readonly reply?: Buffer
  readonly delayMs?: number
  /** Sent when this is over. */
  readonly until?: Promise<void>
  /** By TCP: after so many octets of the frame the connection is reset. */
  readonly resetAfter?: number
  /** Sent from another socket: a liar's port. */
  readonly fromElsewhere?: boolean
}

export type Behaviour = (query: Packet, transport: "udp" | "tcp", count: number) => ReadonlyArray<Reaction>

/** The same with the query as it came: for names that dns-packet cannot read. */
export type WireBehaviour = (query: Buffer, transport: "udp" | "tcp", count: number) => ReadonlyArray<Reaction>

export interface FakeUpstream {
  readonly port: number
  readonly address: string
  /** Queries received, both transports. */
  readonly queries: () => number
  readonly sourcePorts: ReadonlySet<number>
}

export const reply = (
  query: Packet,
  options: {
    readonly answers?: Array<Answer>
    readonly authorities?: Array<Answer>
    readonly additionals?: Array<Answer>
    readonly rcode?: number
    readonly flags?: number
    readonly id?: number
    readonly name?: string
  } = {}
): Buffer => {
  const questions = (query.questions ?? []).map((question) =>
    options.name === undefined ? question : { ...question, name: options.name }
  )
  const encoded = packet.encode({
    type: "response",
    id: options.id ?? query.id ?? 0,
    flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | (options.flags ?? 0) | (options.rcode ?? 0),
    questions,
    answers: options.answers ?? [],
    authorities: options.authorities ?? [],
    additionals: options.additionals ?? []
  })
  return encoded
}

/** One A record for whatever is asked. */
export const address =
  (data: string, ttl = 60): Behaviour =>
  (query) => [{ reply: reply(query, { answers: [{ name: nameOf(query), type: "A", ttl, data }] }) }]

export const nameOf = (query: Packet): string => query.questions?.[0]?.name ?? ""

export const silent: Behaviour = () => []

export const failing =
  (rcode: number): Behaviour =>
  (query) => [{ reply: reply(query, { rcode }) }]

export const slow =
  (delayMs: number, inner: Behaviour): Behaviour =>
  (query, transport, count) =>
    inner(query, transport, count).map((reaction) => ({ ...reaction, delayMs }))

/** Where the name of a message's question ends; the header's end where there is none that could be read. */
const nameEnd = (message: Buffer): number => {
  if (message.length < 17 || message.readUInt16BE(4) !== 1) return 12
  let at = 12
  while (at < message.length && message[at] !== 0 && message[at]! < 64) at += message[at]! + 1
  return message[at] === 0 ? at + 1 : 12
}

const LETTER_CASE = 0x20
const lower = (octet: number): number => (octet >= 0x41 && octet <= 0x5a ? octet | LETTER_CASE : octet)

/** What is asked, whatever letters it is asked in: nearly all tests are about something else. */
export const inSmallLetters = (message: Buffer): Buffer => {
  const copy = Buffer.from(message)
  for (let at = 12; at < nameEnd(message); at++) copy[at] = lower(copy[at]!)
  return copy
}

/** The reply with the question as it came. */
export const spelledAs = (query: Buffer, reply: Buffer): Buffer => {
  const end = nameEnd(query)
  if (
    end === 12 ||
    nameEnd(reply) !== end ||
    !inSmallLetters(query).subarray(12, end).equals(inSmallLetters(reply).subarray(12, end))
  )
    return reply
  const spelled = Buffer.from(reply)
  query.copy(spelled, 12, 12, end)
  return spelled
}

/** A late answer to another test's server, which had this port as its source port a moment ago. */
const isResponse = (message: Buffer): boolean => (message[2] ?? 0) >= 0x80

/** Enough for thousands of datagrams that come while the test does something else. */
const RECEIVE_BUFFER = 4 << 20

/** Starts an upstream on a free loopback port, UDP and TCP; it ends with the scope. */
export const fakeUpstream = (behaviour: Behaviour, port = 0): Effect.Effect<FakeUpstream, never, Scope.Scope> =>
  wireUpstream((query, transport, count) => behaviour(packet.decode(query), transport, count), port)

/** @param isLiteral whether it is given queries with their letters as they came, and gives replies as they are */
export const wireUpstream = (
  behaviour: WireBehaviour,
  port = 0,
  isLiteral = false
): Effect.Effect<FakeUpstream, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      let count = 0
      const sourcePorts = new Set<number>()
      const udp = createSocket({ type: "udp4", recvBufferSize: RECEIVE_BUFFER })
      const elsewhere = createSocket("udp4")
      const connections = new Set<Socket>()
      const timers = new Set<NodeJS.Timeout>()
      let isStopped = false
      const later = ({ delayMs, until }: Reaction, run: () => void): void => {
        if (until !== undefined) {
          void until.then(() => {
            if (!isStopped) run()
          })
          return
        }
        if (delayMs === undefined) {
          run()
          return
        }
        const timer = setTimeout(() => {
          timers.delete(timer)
          run()
        }, delayMs)
        timers.add(timer)
      }
      udp.on("message", (message, peer) => {
        if (isResponse(message)) return
        sourcePorts.add(peer.port)
        for (const reaction of behaviour(isLiteral ? message : inSmallLetters(message), "udp", ++count)) {
          const { fromElsewhere } = reaction
          if (reaction.reply === undefined) continue
          const reply = isLiteral ? reaction.reply : spelledAs(message, reaction.reply)
          const socket = fromElsewhere === true ? elsewhere : udp
          later(reaction, () => socket.send(reply, peer.port, peer.address))
        }
      })
      const tcp = createServer((socket) => {
        connections.add(socket)
        let rest = Buffer.alloc(0)
        socket.on("close", () => connections.delete(socket))
        socket.on("error", () => {})
        socket.on("data", (chunk: Buffer) => {
          rest = Buffer.concat([rest, chunk])
          while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
            const end = 2 + rest.readUInt16BE(0)
            const query = rest.subarray(2, end)
            rest = rest.subarray(end)
            for (const reaction of behaviour(query, "tcp", ++count)) {
              const { reply } = reaction
              if (reply === undefined) socket.destroy()
              else later(reaction, () => sendFrame(socket, reply, reaction.resetAfter))
            }
          }
        })
      })
      const bound = port === 0 ? await Effect.runPromise(freePort) : port
      // Somebody's random source port may be this one; not for long.
      await eventually(() => bindUdp(udp, bound))
      await eventually(() => listenTcp(tcp, bound))
      const upstream: FakeUpstream = { port: bound, address: `127.0.0.1:${bound}`, queries: () => count, sourcePorts }
      const stop = (): void => {
        isStopped = true
        for (const timer of timers) clearTimeout(timer)
        for (const connection of connections) connection.destroy()
        tcp.close()
        udp.close()
        elsewhere.close()
      }
      return { upstream, stop }
    }),
    ({ stop }) => Effect.sync(stop)
  ).pipe(Effect.map(({ upstream }) => upstream))

export const framed = (message: Uint8Array): Buffer => {
  const prefix = Buffer.alloc(2)
  prefix.writeUInt16BE(message.length)
  return Buffer.concat([prefix, message])
}

const sendFrame = (socket: Socket, message: Buffer, resetAfter: number | undefined): void => {
  if (resetAfter === undefined) socket.write(framed(message))
  else socket.write(framed(message).subarray(0, resetAfter), () => socket.resetAndDestroy())
}

const bindUdp = (socket: UdpSocket, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once("error", reject)
    socket.bind(port, "127.0.0.1", () => {
      socket.off("error", reject)
      resolve()
    })
  })

const listenTcp = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject)
      resolve()
    })
  })

const eventually = async (attempt: () => Promise<void>): Promise<void> => {
  for (let tries = 0; tries < 50; tries++) {
    const isDone = await attempt().then(
      () => true,
      () => false
    )
    if (isDone) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await attempt()
}
