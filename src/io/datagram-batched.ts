/**
 * Datagrams many a system call, on Linux: `recvmmsg` and `sendmmsg` on sockets of our own, one reactor a thread.
 *
 * Needs koffi on 64-bit Linux; `layer` fails where it is not to be had, or where a trial shows that it does not work.
 */
import { Context, Deferred, Effect, Layer, Schema, type Scope } from "effect"
import {
  type BindTarget,
  type DatagramHandler,
  type DatagramSocket,
  DatagramTransport,
  type ReturnPath,
  type SocketError
} from "./datagram.ts"
import type { Endpoint } from "./endpoint.ts"
import { Descriptors } from "./linux/descriptors.ts"
import { Errno, type Libc, libc } from "./linux/libc.ts"
import { type Drained, Reactor } from "./linux/reactor.ts"
import { RECEIVE_BATCH, ReceiveArena, type SocketPath } from "./linux/receive-arena.ts"
import { SendArena, type Sender } from "./linux/send-arena.ts"
import {
  Arguments,
  describeErrno,
  openConnectedSocket,
  openDatagramSocket,
  openStreamListener
} from "./linux/socket.ts"
import { BatchedListener, StreamShared } from "./linux/stream-socket.ts"
import { MAX_PORT_DRAWS, randomPort } from "./random.ts"
import { BACKLOG } from "./stream.ts"
import { StreamTransport } from "./stream-transport.ts"

/** Calls of `recvmmsg` on one socket before another has its turn. */
const MAX_BATCHES = 4
/** Arenas that are kept for the next turn. */
const MAX_SPARE = 32
const TRIAL_MS = 1_000

/** Batched datagrams do not work here; the portable way does. */
export class BatchedUnavailable extends Schema.TaggedError<BatchedUnavailable>()("BatchedUnavailable", {
  message: Schema.String
}) {}

/** What the sockets of a thread share: memory to receive into, spare memory to send from, the reactor. */
class Shared {
  readonly libc: Libc
  readonly reactor: Reactor
  readonly received: ReceiveArena
  readonly args: Arguments
  readonly descriptors: Descriptors
  /** Whether the kernel cuts apart what is sent as one message. */
  merges = true
  private readonly spare: Array<SendArena> = []

  constructor(library: Libc, descriptors: Descriptors) {
    this.libc = library
    this.descriptors = descriptors
    this.reactor = new Reactor(library, descriptors)
    this.received = new ReceiveArena(library)
    this.args = new Arguments(library)
  }

  takeArena(): SendArena {
    return this.spare.pop() ?? new SendArena(this.libc)
  }

  giveBack(arena: SendArena): void {
    if (this.spare.length < MAX_SPARE) this.spare.push(arena)
  }
}

class BatchedSocket implements DatagramSocket, Drained, Sender {
  readonly fd: number
  readonly local: Endpoint
  readonly isShared = true
  merges: boolean
  private arena: SendArena | undefined
  private readonly shared: Shared
  private readonly handler: DatagramHandler

  constructor(shared: Shared, fd: number, handler: DatagramHandler) {
    this.shared = shared
    this.merges = shared.merges
    this.fd = fd
    this.local = shared.args.localEndpoint(fd)
    this.handler = handler
    shared.reactor.add(this)
  }

  reserve(): Uint8Array {
    if (this.arena === undefined) {
      this.arena = this.shared.takeArena()
      this.shared.reactor.markDirty(this)
    } else if (this.arena.isFull) {
      this.sendAll(this.arena)
    }
    return this.arena.room()
  }

  send(length: number, path?: ReturnPath): void {
    this.arena!.push(length, path as SocketPath | undefined)
  }

  stopReceiving(): void {
    this.shared.reactor.remove(this)
  }

  drain(): number {
    const { received } = this.shared
    let total = 0
    for (let batch = 0; batch < MAX_BATCHES; batch++) {
      const count = received.receive(this.fd)
      if (count < 0) {
        const errno = this.shared.libc.errno()
        if (errno !== Errno.EAGAIN && errno !== Errno.EINTR) this.onSendError(errno)
        break
      }
      total += count
      this.handler.onBatch(received.datagrams, count)
      if (count < RECEIVE_BATCH) break
    }
    return total
  }

  flush(): void {
    const arena = this.arena
    if (arena === undefined) return
    this.arena = undefined
    this.sendAll(arena)
    this.shared.giveBack(arena)
  }

  /** ICMP told of a datagram sent before: this one has not left yet. */
  onSendError(errno: number): boolean {
    this.handler.onError(new Error(describeErrno(errno)))
    return true
  }

  private sendAll(arena: SendArena): void {
    if (arena.count === 0) return
    const lost = arena.flush(this)
    if (lost > 0) this.handler.onUnsent(lost)
  }
}

/** A socket for as long as the scope lives. */
const acquire = (
  shared: Shared,
  open: Effect.Effect<number, SocketError>,
  handler: DatagramHandler
): Effect.Effect<BatchedSocket, SocketError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.map(open, (fd) => {
      shared.descriptors.opened(fd)
      return new BatchedSocket(shared, fd, handler)
    }),
    (socket) =>
      Effect.sync(() => {
        socket.flush()
        socket.stopReceiving()
        shared.descriptors.closing(socket.fd)
        shared.libc.close(socket.fd)
      })
  )

const openConnected = (shared: Shared, remote: Endpoint, draws: number): Effect.Effect<number, SocketError> =>
  Effect.catchTag(
    openConnectedSocket(shared.libc, shared.args, remote, draws > 0 ? randomPort() : 0),
    "SocketError",
    (error) => (draws > 0 ? openConnected(shared, remote, draws - 1) : Effect.fail(error))
  )

const makeTransport = (shared: Shared): DatagramTransport["Service"] => ({
  name: "batched",
  bind: (local: BindTarget, handler) => {
    const open =
      local.fd === undefined
        ? openDatagramSocket(shared.libc, shared.args, local, local.isShared === true)
        : Effect.succeed(local.fd)
    return acquire(shared, open, handler)
  },
  connect: (remote, handler) => acquire(shared, openConnected(shared, remote, MAX_PORT_DRAWS), handler)
})

/**
 * What is sent to ourselves on loopback must come back: receiving, sending and the bell are all in it.
 *
 * @returns whether two datagrams of one length arrived as two: a kernel that does not know UDP_SEGMENT, and does not say
 *   so, makes one of them
 */
const trial = (transport: DatagramTransport["Service"]): Effect.Effect<boolean, SocketError | BatchedUnavailable> =>
  Effect.scoped(
    Effect.gen(function* () {
      const arrived = yield* Deferred.make<boolean>()
      const ignore = { onBatch: () => {}, onError: () => {}, onUnsent: () => {} }
      const target = yield* transport.bind(
        { address: "127.0.0.1", port: 0 },
        { ...ignore, onBatch: (batch) => Deferred.doneUnsafe(arrived, Effect.succeed(batch[0]!.length === 1)) }
      )
      const sender = yield* transport.connect(target.local, ignore)
      for (let i = 0; i < 2; i++) {
        sender.reserve()[0] = 0
        sender.send(1)
      }
      return yield* Effect.raceFirst(
        Deferred.await(arrived),
        Effect.delay(Effect.fail(new BatchedUnavailable({ message: "a trial datagram did not arrive" })), TRIAL_MS)
      )
    })
  )

/** Where the descriptors are noted that this thread has open; a server of one thread need not. */
export const DescriptorMemory: Context.Reference<SharedArrayBuffer | undefined> = Context.Reference<
  SharedArrayBuffer | undefined
>("strand/io/DescriptorMemory", { defaultValue: () => undefined })

const makeStreams = (shared: StreamShared): StreamTransport["Service"] => ({
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

/** By a C library; undefined where none can be called. */
export const layerOver = (
  library: Libc | undefined
): Layer.Layer<DatagramTransport | StreamTransport, BatchedUnavailable> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const descriptors = new Descriptors(yield* DescriptorMemory)
      if (library === undefined) {
        return yield* new BatchedUnavailable({ message: "needs 64-bit Linux and the optional dependency koffi" })
      }
      const shared = yield* Effect.acquireRelease(
        Effect.sync(() => new Shared(library, descriptors)),
        ({ reactor }) => Effect.sync(() => reactor.close())
      )
      const transport = makeTransport(shared)
      shared.merges = yield* Effect.catchTag(trial(transport), "SocketError", (error) =>
        Effect.fail(new BatchedUnavailable({ message: error.message }))
      )
      const streams = new StreamShared(library, shared.reactor, shared.args, descriptors)
      return Context.make(DatagramTransport, transport).pipe(Context.add(StreamTransport, makeStreams(streams)))
    })
  )

export const layer: Layer.Layer<DatagramTransport | StreamTransport, BatchedUnavailable> = layerOver(libc)
