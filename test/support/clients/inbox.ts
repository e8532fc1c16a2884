/** Takes all that a socket hears, byte for byte, and remembers the ways back. */
import { Effect } from "effect"
import type { Datagram, DatagramHandler, DatagramSocket, ReturnPath } from "../../../src/io/datagram.ts"

export interface Received {
  readonly octets: Uint8Array
  readonly isTruncated: boolean
  readonly path: ReturnPath
}

export class Inbox implements DatagramHandler {
  readonly received: Array<Received> = []
  readonly batches: Array<number> = []
  readonly errors: Array<string> = []
  /** Where set, datagrams from other ports are strangers: late ones, to who had this port before. */
  from: number | undefined
  unsent = 0

  readonly onBatch = (batch: ReadonlyArray<Datagram>, count: number): void => {
    this.batches.push(count)
    for (let i = 0; i < count; i++) {
      const datagram = batch[i]!
      if (this.from !== undefined && datagram.keepPath().peer.port !== this.from) continue
      this.received.push({
        octets: datagram.payload.slice(0, datagram.length),
        isTruncated: datagram.isTruncated,
        path: datagram.keepPath()
      })
    }
  }

  readonly onError = (error: Error): void => {
    this.errors.push(error.message)
  }

  readonly onUnsent = (count: number): void => {
    this.unsent += count
  }

  /** Waits until there are so many. */
  await(count: number): Effect.Effect<ReadonlyArray<Received>> {
    return Effect.gen({ self: this }, function* () {
      while (this.received.length < count) yield* Effect.sleep(1)
      return this.received
    })
  }

  /** As text, sorted: datagrams may overtake each other. */
  get contents(): ReadonlyArray<string> {
    return sortedContents(this.received.map(({ octets }) => octets))
  }
}

export const sortedContents = (payloads: ReadonlyArray<Uint8Array>): ReadonlyArray<string> =>
  payloads.map((octets) => Buffer.from(octets).toString("hex")).sort()

export const send = (socket: DatagramSocket, payload: Uint8Array, path?: ReturnPath): void => {
  socket.reserve().set(payload)
  socket.send(payload.length, path)
}

/** So many octets, other ones for each number. */
export const payload = (length: number, number: number): Uint8Array => {
  const octets = new Uint8Array(length)
  for (let i = 0; i < length; i++) octets[i] = number * 31 + i * 7 + (i >>> 8)
  return octets
}
