/** What a listener for HTTP serves: queries at one path, each from its client to its answer. */
import { isIP } from "node:net"
import { namedPeer, type Peer, TextPeer } from "../../io/peer.ts"
import type { Speaking } from "../stream/conversation.ts"
import { HttpPacket } from "./http-packet.ts"
import { messageInJson } from "./json.ts"
import { DNS_JSON, DNS_MESSAGE, type Request, readRequest } from "./request.ts"

export interface Site {
  /** The path at which is asked. */
  readonly path: () => string
  /** Whether the peer is believed in what it says of who asked it. */
  readonly isProxy: (peer: Peer) => boolean
}

/** How one request is answered: by one call. */
export interface Respond {
  /** @param body valid until the call returns */
  readonly answer: (contentType: string, body: Uint8Array, ttlSeconds: number) => void
  readonly refuse: (status: number, reason: string) => void
}

/** Begins the query that a request has, or answers it at once. */
export const serve = (site: Site, connection: Speaking, request: Request, respond: Respond): void => {
  const asked = readRequest(request, site.path())
  if (asked.status !== 200) {
    respond.refuse(asked.status, asked.reason)
    return
  }
  const { clientName, isJson, wire } = asked
  const client = clientOf(site, connection.peer, request.forwardedFor)
  const packet = new HttpPacket(wire, namedPeer(client, clientName), {
    transport: connection.transport,
    noteQuery: () => connection.noteQuery(),
    reply: (message, ttlSeconds) => {
      const json = isJson ? messageInJson(message) : undefined
      if (!isJson) respond.answer(DNS_MESSAGE, message, ttlSeconds)
      else if (json === undefined) respond.refuse(500, "the answer has data that cannot be written as JSON")
      else respond.answer(DNS_JSON, json, ttlSeconds)
    },
    refuse: () => respond.refuse(400, "what came is no query"),
    over: (isWellFormed) => connection.over(isWellFormed)
  })
  connection.begin(packet)
  packet.forgetMessage()
}

/** Who asked a proxy: the last that it names, for what stands before it anybody may have written. */
const clientOf = (site: Site, peer: Peer, forwardedFor: string): Peer => {
  if (forwardedFor === "" || !site.isProxy(peer)) return peer
  const last = forwardedFor.split(",").at(-1)!.trim()
  const [, ipv6, ipv4] = /^(?:\[(.*)\](?::\d+)?|([\d.]+):\d+)$/.exec(last) ?? []
  const address = ipv6 ?? ipv4 ?? last
  return isIP(address) === 0 ? peer : new TextPeer({ address, port: peer.port })
}
