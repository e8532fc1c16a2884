/**
 * The sockets at which clients ask, bound once for each worker and owned by the supervisor: a worker gets duplicates,
 * so that what waits in a socket outlives the worker.
 *
 * While workers are added or taken away, the kernel is told which sockets are read (`reuseport.ts`), so that nothing waits
 * in one that nobody reads, and nothing is lost in one that is closed.
 *
 * A socket that the service manager has bound and handed over is one for all workers: another user may not bind to its
 * address again. Each worker has a duplicate, and takes from it what the others have not taken.
 */
import { Effect, Exit, Scope } from "effect"
import type { ListenAddress } from "../../config/codec/listen-address.ts"
import type { SocketError } from "../../io/datagram.ts"
import { type Endpoint, isWildcard } from "../../io/endpoint.ts"
import { type Libc, SO_REUSEPORT, SOL_SOCKET } from "../../io/linux/libc.ts"
import { Steering } from "../../io/linux/reuseport.ts"
import { Arguments, duplicate, openDatagramSocket, openStreamListener } from "../../io/linux/socket.ts"
import { type ListenProtocol, socketKindOf } from "../../io/protocols.ts"
import { BACKLOG } from "../../io/stream.ts"
import { type GivenSocket, socketName } from "../../listener/inherited-sockets.ts"
import { type HandedOver, handedOverAt, NOTHING_HANDED_OVER } from "../systemd/handed-over.ts"
import type { ListeningAt } from "./protocol.ts"

/** How often the kernel is asked for a port that is free for both UDP and TCP. */
const MAX_PORT_DRAWS = 16
/** The sockets of one address and protocol, one for each worker. */
interface SocketGroup {
  readonly protocol: ListenProtocol
  /** As the configuration has it. */
  readonly endpoint: Endpoint
  /** Where they are bound. */
  readonly local: Endpoint
  readonly fds: ReadonlyArray<number>
  /** They are duplicates of one socket. */
  readonly isOneSocket: boolean
}

/** Sockets for the next configuration. Exactly one of the two effects is to be run. */
export interface PreparedSockets {
  /** Duplicates of those that were not there before, for a worker that was. */
  readonly freshFor: (worker: number) => Effect.Effect<ReadonlyArray<GivenSocket>, SocketError>
  readonly commit: Effect.Effect<void>
  readonly abandon: Effect.Effect<void>
}

/** Of a server whose workers bind their sockets themselves. */
export const NO_SOCKETS: PreparedSockets = {
  freshFor: () => Effect.succeed([]),
  commit: Effect.void,
  abandon: Effect.void
}

/**
 * Whether its sockets can be connected, and disconnected again: of all addresses, they would get one; with a port that the
 * kernel drew, they would lose it. One that was handed over is not ours alone.
 */
const canBeSilenced = ({ endpoint, isOneSocket, local }: SocketGroup): boolean =>
  !isOneSocket && endpoint.port !== 0 && !isWildcard(local)

export class ListeningSockets {
  private readonly libc: Libc
  private readonly args: Arguments
  private readonly steering: Steering
  private readonly scope: Scope.Scope
  private readonly handedOver: HandedOver
  private groups: ReadonlyMap<string, SocketGroup> = new Map()
  /** Datagram sockets of addresses that are no longer configured, while workers may still use them. */
  private readonly retired = new Map<string, { readonly group: SocketGroup; readonly scope: Scope.Closeable }>()

  private constructor(libc: Libc, scope: Scope.Scope, handedOver: HandedOver) {
    this.libc = libc
    this.handedOver = handedOver
    this.scope = scope
    this.args = new Arguments(libc)
    this.steering = new Steering(libc)
  }

  /** Binds all addresses once for each worker, for as long as the scope lives; `:0` is the same port for all of them. */
  static bind(
    libc: Libc,
    addresses: ReadonlyArray<ListenAddress>,
    workers: number,
    handedOver: HandedOver = NOTHING_HANDED_OVER
  ): Effect.Effect<ListeningSockets, SocketError, Scope.Scope> {
    return Effect.gen(function* () {
      const sockets = new ListeningSockets(libc, yield* Effect.scope, handedOver)
      yield* Effect.addFinalizer(() => Effect.sync(() => sockets.closeAll()))
      const { commit } = yield* sockets.prepare(addresses, workers, 0)
      yield* commit
      return sockets
    })
  }

  /** Where clients can ask. */
  get listening(): ReadonlyArray<ListeningAt> {
    return [...this.groups.values()].map(({ protocol, local }) => ({ protocol, endpoint: local }))
  }

  /** Duplicates of all sockets of a worker, for a thread that begins. */
  duplicatesFor(worker: number): Effect.Effect<ReadonlyArray<GivenSocket>, SocketError> {
    return this.duplicates(this.groups.values(), worker)
  }

  /** Duplicates of those that no other worker reads anyway. */
  ownDuplicatesFor(worker: number): Effect.Effect<ReadonlyArray<GivenSocket>, SocketError> {
    return this.duplicates(
      [...this.groups.values()].filter(({ isOneSocket }) => !isOneSocket),
      worker
    )
  }

  /**
   * Binds what the next configuration needs beside what is there. Sockets for more workers get nothing until
   * `shareAmongAll`.
   *
   * @param lingerMs how long workers may use a datagram socket whose address is gone, for the last answers
   */
  prepare(
    addresses: ReadonlyArray<ListenAddress>,
    workers: number,
    lingerMs: number
  ): Effect.Effect<PreparedSockets, SocketError> {
    const opened: Array<number> = []
    const revived = new Map<string, SocketGroup>()
    const abandon = Effect.gen({ self: this }, function* () {
      for (const fd of opened) this.libc.close(fd)
      for (const [name, group] of revived) yield* this.retire(name, group, lingerMs)
      this.shareAmongAll()
    })
    const preparing = Effect.gen({ self: this }, function* () {
      const next = new Map<string, SocketGroup>()
      const fresh: Array<SocketGroup> = []
      for (const { protocols, endpoint } of addresses) {
        const missing: Array<ListenProtocol> = []
        for (const protocol of protocols) {
          const name = socketName(protocol, endpoint)
          const present = this.groups.get(name)
          const old = present === undefined ? yield* this.revive(name) : undefined
          if (old !== undefined) revived.set(name, old)
          const group = present ?? old ?? this.takeOver(protocol, endpoint)
          if (group === undefined) {
            missing.push(protocol)
            continue
          }
          // Another protocol may be spoken at the same socket from now on: a listener that is new in each worker.
          const grown = { ...(yield* this.grow(group, workers, opened)), protocol }
          next.set(name, grown)
          if (present === undefined || present.protocol !== protocol) fresh.push(grown)
        }
        if (missing.length === 0) continue
        for (const group of yield* this.bindAll(missing, endpoint, workers, opened, MAX_PORT_DRAWS)) {
          next.set(socketName(group.protocol, endpoint), group)
          fresh.push(group)
        }
      }
      return {
        freshFor: (worker) => this.duplicates(fresh, worker),
        commit: Effect.suspend(() => this.commit(next, lingerMs)),
        abandon
      } satisfies PreparedSockets
    })
    return Effect.onError(preparing, () => abandon)
  }

  /** From now on nothing new comes to sockets of workers beyond the first `workers`. Returns whether that is so. */
  shareAmongFirst(workers: number): boolean {
    return [...this.groups.values()].every(
      ({ fds, isOneSocket }) => isOneSocket || fds.length <= workers || this.steering.toFirst(fds[0]!, workers)
    )
  }

  /** All sockets of each address share what comes. */
  shareAmongAll(): void {
    for (const { fds, isOneSocket } of this.groups.values()) if (!isOneSocket) this.steering.toAll(fds[0]!)
  }

  /** Closes the sockets of workers beyond the first `workers`. */
  shrink(workers: number): void {
    const next = new Map<string, SocketGroup>()
    for (const [name, group] of this.groups) {
      for (const fd of group.fds.slice(workers)) this.libc.close(fd)
      next.set(name, { ...group, fds: group.fds.slice(0, workers) })
    }
    this.groups = next
    this.shareAmongAll()
  }

  /** Nobody can connect once workers have closed theirs, too. At sockets that were handed over, clients wait for the next server. */
  closeStreams(): void {
    const next = new Map<string, SocketGroup>()
    for (const [name, group] of this.groups) {
      if (group.protocol === "udp") {
        next.set(name, group)
        continue
      }
      for (const fd of group.fds) this.libc.close(fd)
      next.set(name, { ...group, fds: [] })
    }
    this.groups = next
  }

  /** All of them, or none. */
  private duplicates(
    groups: Iterable<SocketGroup>,
    worker: number
  ): Effect.Effect<ReadonlyArray<GivenSocket>, SocketError> {
    return Effect.suspend(() => {
      const made: Array<GivenSocket> = []
      const making = Effect.forEach(
        groups,
        ({ protocol, endpoint, fds, local }) => {
          const fd = fds[worker - 1]
          if (fd === undefined) return Effect.void
          return Effect.map(duplicate(this.libc, fd, local), (copy) => made.push({ protocol, endpoint, fd: copy }))
        },
        { discard: true }
      )
      const closeThem = Effect.sync(() => {
        for (const { fd } of made) this.libc.close(fd)
      })
      return Effect.as(
        Effect.onError(making, () => closeThem),
        made
      )
    })
  }

  private commit(next: ReadonlyMap<string, SocketGroup>, lingerMs: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const before = this.groups
      this.groups = next
      for (const [name, group] of before) {
        if (next.has(name)) continue
        // Workers close theirs at once: nobody can connect from now on.
        if (group.protocol !== "udp") for (const fd of group.fds) this.libc.close(fd)
        else yield* this.retire(name, group, lingerMs)
      }
    })
  }

  private retire(name: string, group: SocketGroup, lingerMs: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const scope = yield* Scope.fork(this.scope)
      this.retired.set(name, { group, scope })
      // Nothing comes to it any more: what is sent to its address is another socket's, of all addresses, or nobody's.
      if (canBeSilenced(group)) for (const fd of group.fds) this.args.connectToItself(fd)
      const close = Effect.sync(() => {
        this.retired.delete(name)
        for (const fd of group.fds) this.libc.close(fd)
      })
      yield* Effect.forkIn(Effect.delay(close, lingerMs), scope)
    })
  }

  /** The sockets of an address that is configured again, before they are closed; undefined where there are none. */
  private revive(name: string): Effect.Effect<SocketGroup | undefined> {
    return Effect.gen({ self: this }, function* () {
      const entry = this.retired.get(name)
      if (entry === undefined) return undefined
      this.retired.delete(name)
      yield* Scope.close(entry.scope, Exit.void)
      const { group } = entry
      if (canBeSilenced(group)) for (const fd of group.fds) this.args.disconnect(fd)
      return group
    })
  }

  /** More sockets of the same address, where there are fewer than workers. */
  private grow(group: SocketGroup, workers: number, opened: Array<number>): Effect.Effect<SocketGroup, SocketError> {
    return Effect.gen({ self: this }, function* () {
      const fds = [...group.fds]
      if (fds.length < workers && !group.isOneSocket) this.steering.toFirst(fds[0]!, fds.length)
      while (fds.length < workers) {
        const fd = yield* group.isOneSocket
          ? duplicate(this.libc, handedOverAt(this.handedOver, group.protocol, group.endpoint)!, group.endpoint)
          : this.bindOne(group.protocol, group.local, true)
        opened.push(fd)
        fds.push(fd)
      }
      return { ...group, fds }
    })
  }

  /** The group of an address that was handed over, without any descriptor yet; undefined where none was. */
  private takeOver(protocol: ListenProtocol, endpoint: Endpoint): SocketGroup | undefined {
    return handedOverAt(this.handedOver, protocol, endpoint) === undefined
      ? undefined
      : { protocol, endpoint, local: endpoint, fds: [], isOneSocket: true }
  }

  /** Sockets of one address. A port that the kernel draws (`:0`) for the first protocol is asked for by the next too. */
  private bindAll(
    protocols: ReadonlyArray<ListenProtocol>,
    endpoint: Endpoint,
    workers: number,
    opened: Array<number>,
    draws: number
  ): Effect.Effect<ReadonlyArray<SocketGroup>, SocketError> {
    const own: Array<number> = []
    return Effect.gen({ self: this }, function* () {
      let { port } = endpoint
      const groups: Array<SocketGroup> = []
      for (const protocol of protocols) {
        const fds: Array<number> = []
        for (let worker = 0; worker < workers; worker++) {
          // The first is bound without SO_REUSEPORT: a port that another process shares counts as in use.
          const isShared = worker > 0 || this.overlaps(protocol, port)
          const fd = yield* this.bindOne(protocol, { address: endpoint.address, port }, isShared)
          fds.push(fd)
          own.push(fd)
          port = this.args.localEndpoint(fd).port
        }
        groups.push({ protocol, endpoint, local: { address: endpoint.address, port }, fds, isOneSocket: false })
      }
      opened.push(...own)
      return groups
    }).pipe(
      Effect.catchTag("SocketError", (error) => {
        for (const fd of own) this.libc.close(fd)
        return endpoint.port === 0 && draws > 1
          ? this.bindAll(protocols, endpoint, workers, opened, draws - 1)
          : Effect.fail(error)
      })
    )
  }

  private bindOne(protocol: ListenProtocol, local: Endpoint, isShared: boolean): Effect.Effect<number, SocketError> {
    const { args, libc } = this
    return Effect.tap(
      protocol === "udp"
        ? openDatagramSocket(libc, args, local, isShared)
        : openStreamListener(libc, args, local, BACKLOG, isShared),
      (fd) => {
        if (!isShared) args.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)
        return Effect.void
      }
    )
  }

  /** Whether this server has the port already, at another address: one of the two may be on all addresses. */
  private overlaps(protocol: ListenProtocol, port: number): boolean {
    const kind = socketKindOf(protocol)
    const isThere = (group: SocketGroup): boolean => socketKindOf(group.protocol) === kind && group.local.port === port
    return (
      port !== 0 && [...this.groups.values(), ...[...this.retired.values()].map(({ group }) => group)].some(isThere)
    )
  }

  private closeAll(): void {
    for (const { fds } of this.groups.values()) for (const fd of fds) this.libc.close(fd)
    for (const { group } of this.retired.values()) for (const fd of group.fds) this.libc.close(fd)
    this.groups = new Map()
    this.retired.clear()
  }
}
