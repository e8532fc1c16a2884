/** What is spoken on a connection: how queries are cut out of what arrives, and answers put into what is sent. */
import type { Peer } from "../../io/peer.ts"
import type { StreamSocket } from "../../io/stream-transport.ts"
import type { Packet } from "../../query/packet.ts"
import type { Transport } from "../../query/transport.ts"

/** The side of the client: reads what it says. */
export interface Conversation {
  /** Whether a message has begun and not ended. */
  readonly isInsideMessage: boolean
  /** Whether something waits that `next` takes. */
  readonly hasNext: boolean
  /** Whether each answer is written by itself: clients of HTTP/2 are met that lose those that come in one record. */
  readonly isSentApart: boolean
  /** Takes in what arrived; the chunk is its own. */
  readonly append: (chunk: Buffer) => void
  /** Whether nothing more is to be read until a query that was begun is answered. */
  readonly isHeld: boolean
  /**
   * Takes the next whole thing that waits: a query that is begun, or anything else that is answered at once.
   *
   * @returns whether there was one
   */
  readonly next: () => boolean
  /** Whether something in it takes too long, beside what the connection sees. */
  readonly isOverdue: (nowMs: number, times: SpeakingTimes) => boolean
  /** Whether queries have begun to come that are not answered: the client may send the rest of them. */
  readonly hasOpenRequests: boolean
  /** The server takes no more queries: the client is told so, where there is a word for it. */
  readonly farewell: () => void
}

/** How long a client that is in the middle of something is waited for, in milliseconds. */
export interface SpeakingTimes {
  /** For the rest of a message, from its first octet. */
  readonly receiveMs: number
  /** For the client to read, while answers wait. */
  readonly sendMs: number
}

/** Begins what is spoken on a connection; `socket` says what was chosen by ALPN, once octets have come. */
export type Converse = (connection: Speaking, socket: Pick<StreamSocket, "protocol">) => Conversation

/** The connection that it is spoken on. */
export interface Speaking {
  readonly peer: Peer
  readonly transport: Transport
  readonly nowMs: () => number
  /** Begins a query; `over` is called when it is over. */
  readonly begin: (packet: Packet) => void
  /** A message that came is a query, well-formed and of a client that may ask. */
  readonly noteQuery: () => void
  /**
   * A query is over; what was sent for it, if anything, was sent before.
   *
   * @param isWellFormed whether it was one that `noteQuery` was told of
   */
  readonly over: (isWellFormed: boolean) => void
  /** Sends so many octets of what stands where `reserve` of the reply buffer said, when this turn is over. */
  readonly send: (length: number) => void
  /** Takes no more queries; what is under way is answered, then the connection is closed. */
  readonly end: () => void
}
