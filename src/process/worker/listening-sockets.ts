/**
 * The sockets at which clients ask, bound once for each worker and owned by the supervisor: a worker gets duplicates,
 * so that what waits in a socket outlives the worker.
 */
import { Effect, type Scope } from "effect"
import type { ListenAddress } from "../../config/codec/listen-address.ts"
import type { SocketError } from "../../io/datagram.ts"
import { type Libc, SO_REUSEPORT, SOL_SOCKET } from "../../io/linux/libc.ts"
import { Arguments, openDatagramSocket, openStreamListener } from "../../io/linux/socket.ts"
import { BACKLOG } from "../../io/stream.ts"
import { socketName } from "../../listener/inherited-sockets.ts"

/** How often the kernel is asked for a port that is free for both UDP and TCP. */
const MAX_PORT_DRAWS = 16

export interface WorkerSockets {
  /** Duplicates of the sockets, for a thread that begins. */
  readonly duplicate: () => ReadonlyArray<readonly [name: string, fd: number]>
}

/** Binds all addresses once for each worker, for as long as the scope lives; `:0` is the same port for all of them. */
export const bindListeningSockets = (
  libc: Libc,
  addresses: ReadonlyArray<ListenAddress>,
  workers: number
): Effect.Effect<ReadonlyArray<WorkerSockets>, SocketError, Scope.Scope> =>
  Effect.gen(function* () {
    const args = new Arguments(libc)
    const all: Array<Array<readonly [name: string, fd: number]>> = Array.from({ length: workers }, () => [])
    for (const [index, address] of addresses.entries()) {
      const opened = yield* bindOne(libc, args, address, workers, MAX_PORT_DRAWS)
      for (const { worker, protocol, fd } of opened) {
        yield* Effect.addFinalizer(() => Effect.sync(() => libc.close(fd)))
        all[worker]!.push([socketName(index, protocol, address), fd])
      }
    }
    return all.map((sockets) => ({ duplicate: () => sockets.map(([name, fd]) => [name, libc.dup(fd)] as const) }))
  })

interface Bound {
  readonly worker: number
  readonly protocol: "udp" | "tcp"
  readonly fd: number
}

const bindOne = (
  libc: Libc,
  args: Arguments,
  { protocols, endpoint }: ListenAddress,
  workers: number,
  draws: number
): Effect.Effect<ReadonlyArray<Bound>, SocketError> => {
  const opened: Array<Bound> = []
  return Effect.gen(function* () {
    let { port } = endpoint
    for (let worker = 0; worker < workers; worker++) {
      for (const protocol of protocols) {
        const local = { address: endpoint.address, port }
        // The first is bound without SO_REUSEPORT: a port that another process shares counts as in use.
        const isShared = worker > 0
        const fd = yield* protocol === "udp"
          ? openDatagramSocket(libc, args, local, isShared)
          : openStreamListener(libc, args, local, BACKLOG, isShared)
        opened.push({ worker, protocol, fd })
        if (!isShared) args.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)
        port = args.localEndpoint(fd).port
      }
    }
    return opened
  }).pipe(
    Effect.catchTag("SocketError", (error) => {
      for (const { fd } of opened) libc.close(fd)
      return endpoint.port === 0 && draws > 1
        ? bindOne(libc, args, { protocols, endpoint }, workers, draws - 1)
        : Effect.fail(error)
    })
  )
}
