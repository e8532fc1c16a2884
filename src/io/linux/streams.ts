/**
 * Clients' connections on sockets of our own (`linux/stream-socket.ts`), over what the thread's datagrams share too.
 */
import { Effect } from "effect"
import type { BindTarget } from "../datagram.ts"
import { BACKLOG } from "../stream.ts"
import type { StreamTransport } from "../stream-transport.ts"
import { openStreamListener } from "./socket.ts"
import { BatchedListener } from "./stream-listener.ts"
import type { StreamShared } from "./stream-socket.ts"

export const makeStreams = (shared: StreamShared): StreamTransport["Service"] => ({
  listen: (local: BindTarget, onConnection) => {
    const { args, descriptors, libc: library } = shared
    const open =
      local.fd === undefined
        ? openStreamListener(library, args, local, BACKLOG, local.isShared === true)
        : Effect.succeed(local.fd)
    return Effect.map(
      Effect.acquireRelease(
        Effect.map(open, (fd) => {
          descriptors.opened(fd)
          return new BatchedListener(shared, fd, onConnection)
        }),
        (listener) =>
          Effect.sync(() => {
            listener.stop()
            descriptors.closing(listener.fd)
            library.close(listener.fd)
          })
      ),
      (listener) => ({ endpoint: args.localEndpoint(listener.fd), stop: () => listener.stop() })
    )
  }
})
