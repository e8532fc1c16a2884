/** The demo's client: one question by UDP, and what came back in words. */
import { createSocket } from "node:dgram"
import dnsPacket, { type DecodedPacket } from "dns-packet"
import { Effect } from "effect"
import type { Endpoint } from "../../io/endpoint.ts"

const PATIENCE_MS = 5_000
const UDP_SIZE = 1232
const RCODE_MASK = 0xf
const EXTENDED_ERROR = 15
const RCODES: ReadonlyArray<string> = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]

/** Asks for the A records of `name`; returns the answer in one line, with the time it took. */
export const ask = (server: Endpoint, name: string): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const socket = createSocket("udp4")
    const startedMs = performance.now()
    const finish = (text: string): void => {
      clearTimeout(timer)
      socket.close()
      resume(Effect.succeed(`${text} after ${(performance.now() - startedMs).toFixed(1)} ms`))
    }
    const timer = setTimeout(() => finish("nothing"), PATIENCE_MS)
    socket.on("error", (error) => finish(error.message))
    socket.once("message", (message) => finish(describe(dnsPacket.decode(message))))
    const query = dnsPacket.encode({
      type: "query",
      id: Math.floor(Math.random() * 65_536),
      flags: dnsPacket.RECURSION_DESIRED,
      questions: [{ name, type: "A" }],
      additionals: [
        {
          name: ".",
          type: "OPT",
          udpPayloadSize: UDP_SIZE,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          options: []
        } as never
      ]
    })
    socket.send(query, server.port, server.address)
  })

const describe = (reply: DecodedPacket): string => {
  const rcode = (reply.flags ?? 0) & RCODE_MASK
  const addresses = (reply.answers ?? []).flatMap((record) => (record.type === "A" ? [record.data] : []))
  const first = addresses.slice(0, 1).join("")
  const records = addresses.length > 1 ? `${first} and ${addresses.length - 1} more` : first
  return [RCODES[rcode] ?? String(rcode), records, reasonIn(reply)].filter((part) => part !== "").join(" ")
}

/** The text of an Extended DNS Error (RFC 8914 §2), if there is one. */
const reasonIn = (reply: DecodedPacket): string => {
  for (const record of reply.additionals ?? []) {
    if (record.type !== "OPT") continue
    for (const option of record.options as ReadonlyArray<{ code: number; data: Buffer }>) {
      if (option.code === EXTENDED_ERROR) return `(${option.data.subarray(2).toString("utf8")})`
    }
  }
  return ""
}
