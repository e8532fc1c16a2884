/**
 * Datagrams many a system call, on Linux: `recvmmsg` and `sendmmsg` on sockets of our own, one reactor a thread.
 *
 * Needs koffi on 64-bit Linux; `batched.ts` says whether it works here.
 */
import { Effect, type Scope } from "effect"
import type { Incidents } from "../../runtime/incidents.ts"
import { MAX_PORT_DRAWS, randomPort } from "../../runtime/random.ts"
import {
  type BindTarget,
  type DatagramHandler,
  type DatagramSocket,
  type DatagramTransport,
  MAX_SENT,
  type ReturnPath,
  type SocketError
} from "../datagram.ts"
import type { Endpoint } from "../endpoint.ts"
import { reportExhaustion } from "../exhaustion.ts"
import type { Peer } from "../peer.ts"
import type { Descriptors } from "./descriptors.ts"
import { FloodFilter, letAllIn } from "./flood-filter.ts"
import { Errno, type Libc } from "./libc.ts"
import { type Drained, Reactor } from "./reactor.ts"
import { RECEIVE_BATCH, ReceiveArena, type SocketPath } from "./receive-arena.ts"
import { SendArena, type Sender } from "./send-arena.ts"
import { Arguments, describeErrno, openConnectedSocket, openDatagramSocket } from "./socket.ts"

/** Calls of `recvmmsg` on one socket before another has its turn. */
const MAX_BATCHES = 4
/** Arenas that are kept for the next turn. */
const MAX_SPARE = 32

/** What the sockets of a thread share: memory to receive into, spare memory to send from, the reactor. */
export class Shared {
  readonly libc: Libc
  readonly reactor: Reactor
  readonly received: ReceiveArena
  readonly args: Arguments
  readonly descriptors: Descriptors
  readonly incidents: Incidents
  /** Whether the kernel cuts apart what is sent as one message. */
  merges = true
  private readonly spare: Array<SendArena> = []

  constructor(library: Libc, descriptors: Descriptors, incidents: Incidents) {
    this.libc = library
    this.descriptors = descriptors
    this.incidents = incidents
    this.reactor = new Reactor(library, descriptors, incidents)
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
  /** Its descriptor may be another's by now: nothing is done with it any more. */
  private isClosed = false
  private isReceiving = true
  /** Whether the last `drain` found nothing at all, not even an error. */
  private wasEmpty = false
  private readonly shared: Shared
  private readonly handler: DatagramHandler
  /** Of a socket that clients send to, once one has sent too much. */
  private floods: FloodFilter | undefined

  constructor(shared: Shared, fd: number, handler: DatagramHandler) {
    this.shared = shared
    this.merges = shared.merges
    this.fd = fd
    this.local = shared.args.localEndpoint(fd)
    this.handler = handler
    shared.reactor.add(this)
  }

  reserve(): Uint8Array {
    if (this.isClosed) return new Uint8Array(MAX_SENT)
    if (this.arena === undefined) {
      this.arena = this.shared.takeArena()
      this.shared.reactor.markDirty(this)
    } else if (this.arena.isFull) {
      this.sendAll(this.arena)
    }
    return this.arena.room()
  }

  send(length: number, path?: ReturnPath): void {
    if (this.isClosed) this.handler.onUnsent(1)
    else this.arena!.push(length, path as SocketPath | undefined)
  }

  noteLimited(peer: Peer): void {
    if (this.isClosed) return
    const { fd, handler, shared } = this
    this.floods ??= new FloodFilter({
      libc: shared.libc,
      fd,
      queue: () => shared.args.queueOf(fd),
      onFlood: (client) => handler.onFlood?.(client)
    })
    this.floods.note(peer)
  }

  stopReceiving(): void {
    this.isReceiving = false
    this.shared.reactor.remove(this)
  }

  resumeReceiving(): void {
    if (this.isReceiving || this.isClosed) return
    this.isReceiving = true
    this.shared.reactor.add(this)
  }

  drain(): number {
    const { received } = this.shared
    let total = 0
    this.wasEmpty = false
    for (let batch = 0; batch < MAX_BATCHES; batch++) {
      const count = received.receive(this.fd)
      if (count < 0) {
        const errno = this.shared.libc.errno()
        if (errno !== Errno.EAGAIN && errno !== Errno.EINTR) this.onSendError(errno)
        else this.wasEmpty = total === 0
        break
      }
      total += count
      this.handler.onBatch(received.datagrams, count)
      if (count < RECEIVE_BATCH) break
    }
    return total
  }

  /** What was sent before leaves; what is sent from then on is lost. */
  close(): void {
    this.flush()
    this.isClosed = true
    this.stopReceiving()
    this.floods?.close()
    this.shared.descriptors.closing(this.fd)
    this.shared.libc.close(this.fd)
  }

  /** An error of the network's is taken by receiving; one that stays would be told again without end. */
  onBroken(isHungUp: boolean): void {
    if (!isHungUp && !this.wasEmpty) return
    this.stopReceiving()
    this.handler.onError(new Error("the socket is broken"))
  }

  onDefect(): void {}

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
    Effect.map(reportExhaustion(shared.incidents, "a UDP socket")(open), (fd) => {
      shared.descriptors.opened(fd)
      return new BatchedSocket(shared, fd, handler)
    }),
    (socket) =>
      Effect.sync(() => {
        socket.close()
      })
  )

const openConnected = (shared: Shared, remote: Endpoint, draws: number): Effect.Effect<number, SocketError> =>
  Effect.catchTag(
    openConnectedSocket(shared.libc, shared.args, remote, draws > 0 ? randomPort() : 0),
    "SocketError",
    (error) =>
      draws > 0 && error.isExhaustion !== true ? openConnected(shared, remote, draws - 1) : Effect.fail(error)
  )

/** Datagrams over what the thread shares. */
export const makeDatagrams = (shared: Shared): DatagramTransport["Service"] => ({
  name: "batched",
  bind: (local: BindTarget, handler) => {
    const open =
      local.fd === undefined
        ? openDatagramSocket(shared.libc, shared.args, local, local.isShared === true)
        : Effect.sync(() => {
            letAllIn(shared.libc, local.fd!)
            return local.fd!
          })
    return acquire(shared, open, handler)
  },
  connect: (remote, handler) => acquire(shared, openConnected(shared, remote, MAX_PORT_DRAWS), handler)
})
