/**
 * A limit on the size of Redis's replies.
 *
 * Redis's client collects a reply, or a message of a channel, until it is whole, whatever length it claims to have, and
 * does not expose its socket. So its sockets are found where Node announces new ones (`node:diagnostics_channel`); the
 * async context in which they are made tells those of one connection from all others.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { Socket } from "node:net"
import { Effect, type Scope } from "effect"

/** Octets without a whole reply among them: the log of flushes may have a quarter of it. */
const MAX_OCTETS = 1 << 20

const current = new AsyncLocalStorage<ReplyLimit>()
const NEW_SOCKETS = "net.client.socket"

export class ReplyLimit {
  private octets = 0

  /** For as long as the scope lives. */
  static readonly make: Effect.Effect<ReplyLimit, never, Scope.Scope> = Effect.gen(function* () {
    const limit = new ReplyLimit()
    const onSocket = (message: unknown): void => {
      if (current.getStore() === limit) limit.watch((message as { readonly socket: Socket }).socket)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => subscribe(NEW_SOCKETS, onSocket)),
      () => Effect.sync(() => unsubscribe(NEW_SOCKETS, onSocket))
    )
    return limit
  })

  /** The sockets that are made within `begin`, and what it starts, are watched. */
  run<A>(begin: () => A): A {
    return current.run(this, begin)
  }

  /** A reply, or a message, has come whole. */
  readonly onWhole = (): void => {
    this.octets = 0
  }

  /** Counts octets before the client reads them: the client begins to read when it is connected. */
  private watch(socket: Socket): void {
    const onListener = (event: string | symbol): void => {
      if (event !== "data") return
      socket.off("newListener", onListener)
      socket.on("data", (chunk: Buffer) => {
        this.octets += chunk.length
        if (this.octets > MAX_OCTETS) socket.destroy(new Error("it sends more than it was asked for"))
      })
    }
    socket.on("newListener", onListener)
  }
}
