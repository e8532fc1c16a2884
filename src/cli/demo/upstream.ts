/** The demo's authoritative server: names that behave well and badly, on loopback, by UDP and TCP. */
import { createSocket } from "node:dgram"
import { createServer } from "node:net"
import dnsPacket, { type Packet, type StringAnswer } from "dns-packet"
import { Effect, type Scope } from "effect"
import type { Endpoint } from "../../io/endpoint.ts"

const HOST = "127.0.0.1"
const SLOW_MS = 700
/** `dns-packet` keeps the rcode in the lower bits of the flags. */
const SERVFAIL = 2
const NXDOMAIN = 3

const addresses = (name: string, count: number): Array<StringAnswer> =>
  Array.from({ length: count }, (_, i) => ({ name, type: "A", class: "IN", ttl: 300, data: `192.0.2.${i + 1}` }))

interface Reply {
  readonly packet: Packet
  readonly delayMs: number
}

/** What each name does; names below one do the same. */
class Zone {
  /** It answers nobody. */
  isDown = false
  private hasIgnoredFlaky = false

  /** Undefined: no reply at all. */
  answer(query: Packet, transport: "udp" | "tcp"): Reply | undefined {
    const question = query.questions?.[0]
    if (question === undefined || this.isDown) return undefined
    const reply = (flags: number, answers: Array<StringAnswer>, delayMs = 0): Reply => ({
      packet: {
        type: "response",
        ...(query.id === undefined ? {} : { id: query.id }),
        flags: dnsPacket.AUTHORITATIVE_ANSWER | flags,
        questions: [question],
        answers
      },
      delayMs
    })
    switch (question.name.toLowerCase().split(".").at(-3)) {
      case "fast":
        return reply(0, addresses(question.name, 1))
      case "slow":
        return reply(0, addresses(question.name, 1), SLOW_MS)
      case "flaky":
        if (this.hasIgnoredFlaky) return reply(0, addresses(question.name, 1))
        this.hasIgnoredFlaky = true
        return undefined
      case "broken":
        return reply(SERVFAIL, [])
      case "large":
        return transport === "udp" ? reply(dnsPacket.TRUNCATED_RESPONSE, []) : reply(0, addresses(question.name, 60))
      default:
        return reply(NXDOMAIN, [])
    }
  }
}

export interface DemoUpstream {
  readonly endpoint: Endpoint
  /** Makes it fall silent, or answer again. */
  readonly setDown: (isDown: boolean) => void
}

/** Runs it for as long as the scope lives. */
export const runUpstream: Effect.Effect<DemoUpstream, never, Scope.Scope> = Effect.gen(function* () {
  const zone = new Zone()
  const timers = new Set<NodeJS.Timeout>()
  const later = (delayMs: number, send: () => void): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      send()
    }, delayMs)
    timers.add(timer)
  }

  const tcp = createServer((socket) => {
    let received: Buffer = Buffer.alloc(0)
    socket.on("error", () => socket.destroy())
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk as Buffer])
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0)
        const reply = zone.answer(dnsPacket.decode(received.subarray(2, end)), "tcp")
        received = received.subarray(end)
        if (reply !== undefined) later(reply.delayMs, () => socket.write(dnsPacket.streamEncode(reply.packet)))
      }
    })
    open.add(socket)
    socket.on("close", () => open.delete(socket))
  })
  const open = new Set<{ destroy(): unknown }>()
  yield* Effect.promise(() => new Promise<void>((resolve) => tcp.listen(0, HOST, resolve)))
  const { port } = tcp.address() as { port: number }

  const udp = createSocket("udp4")
  udp.on("message", (message, peer) => {
    const reply = zone.answer(dnsPacket.decode(message), "udp")
    if (reply === undefined) return
    later(reply.delayMs, () => udp.send(dnsPacket.encode(reply.packet), peer.port, peer.address))
  })
  yield* Effect.promise(() => new Promise<void>((resolve) => udp.bind(port, HOST, resolve)))

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const timer of timers) clearTimeout(timer)
      for (const socket of open) socket.destroy()
      tcp.close()
      udp.close()
    })
  )
  return {
    endpoint: { address: HOST, port },
    setDown: (isDown) => {
      zone.isDown = isDown
    }
  }
})
