/**
 * A resolver: it has sockets of its own and carries many exchanges at once.
 *
 * It has one UDP socket for each upstream, replaced about once a second while in use, so that source ports stay
 * unpredictable (RFC 5452 §9.2): twenty resolvers show an upstream over a thousand ports a minute. A replaced socket
 * lives until its exchanges are over.
 */
import { Effect, Exit, FiberSet, Scope } from "effect"
import { isNamed } from "../../config/codec/upstream-address.ts"
import type { Option } from "../../dns/question.ts"
import type { AnswerRules } from "../../dns/response.ts"
import type { DatagramTransport, SocketError } from "../../io/datagram.ts"
import { runGuarded } from "../../runtime/guard.ts"
import { Incidents } from "../../runtime/incidents.ts"
import type { LoopClock } from "../../runtime/loop-clock.ts"
import type { Counters } from "../../telemetry/counters.ts"
import { type Attempt, NetworkFailure } from "../requester.ts"
import type { AddressResolver } from "../transport/address-resolver.ts"
import type { Connections } from "../transport/connections.ts"
import { UdpPort } from "../transport/udp-port.ts"
import type { Upstream } from "../upstream.ts"
import { Exchange } from "./exchange.ts"

const PORT_LIFE_MS = 1_000
const DRAIN_CHECK_MS = 250
const MAX_DRAINING = 16
/** Who calls, as the log says it. */
const BORDER = "the opening of a socket"

interface OpenPort {
  readonly port: UdpPort
  readonly scope: Scope.Closeable
}

export interface ResolverOptions {
  readonly rules: AnswerRules
  readonly clock: LoopClock["Service"]
  readonly counters: Counters["Service"]
  /** The loop mark, for upstreams from which a query could come back. */
  readonly loopOptions: ReadonlyArray<Option>
  /** What the upstream is told of the trace that the attempt is part of; undefined for nothing. */
  readonly traceOption: (attempt: Attempt) => Option | undefined
  readonly connections: ReadonlyMap<Upstream, Connections>
  readonly addressResolvers: ReadonlyMap<Upstream, AddressResolver>
  /** Whether questions by UDP to this upstream have their letters mixed. */
  readonly mixesCase: (upstream: Upstream) => boolean
  /** Whether they have a cookie. */
  readonly sendsCookies: () => boolean
  /** An address that has been silent for so long is left for the next one, where there is one. */
  readonly silenceMs: () => number
}

export class Resolver {
  /** Exchanges under way. */
  inFlight = 0
  /** Set after a defect: its slot in the pool gets a new resolver. */
  isBroken = false
  readonly options: ResolverOptions
  private readonly ports = new Map<Upstream, OpenPort>()
  /** Sockets that are being opened, with the exchanges that wait for them. */
  private readonly opening = new Map<Upstream, Array<Exchange>>()
  private readonly draining: Array<OpenPort> = []
  private readonly scope: Scope.Scope
  private readonly run: Run

  private constructor(options: ResolverOptions, scope: Scope.Scope, run: Run) {
    this.options = options
    this.scope = scope
    this.run = run
  }

  static make(options: ResolverOptions): Effect.Effect<Resolver, never, DatagramTransport | Scope.Scope> {
    return Effect.gen(function* () {
      const scope = yield* Effect.scope
      const run: Run = yield* FiberSet.makeRuntime<DatagramTransport, void, never>()
      const resolver = new Resolver(options, scope, run)
      yield* Effect.forkScoped(Effect.forever(Effect.delay(resolver.closeDrained, DRAIN_CHECK_MS)))
      return resolver
    })
  }

  /**
   * Begins one attempt: the question goes to the upstream over its protocol, over TCP again if the reply is truncated,
   * without EDNS again if the upstream does not know it. The attempt is told of whatever the upstream answers, errors
   * included.
   *
   * @returns the exchange, which can be abandoned
   */
  begin(attempt: Attempt): Exchange {
    const exchange = new Exchange(this, attempt)
    this.inFlight++
    attempt.upstream.inFlight++
    exchange.start()
    return exchange
  }

  /** The socket for this upstream; where none is open yet, the exchange is sent as soon as one is. */
  portFor(upstream: Upstream, exchange: Exchange): UdpPort | undefined {
    let open = this.ports.get(upstream)
    if (open?.port.addressResolver !== undefined && this.isLeft(open, upstream, exchange.attempt.failures > 0)) {
      open = this.ports.get(upstream)
    }
    if (open !== undefined) {
      const isAged = this.options.clock.nowMs() - open.port.openedMs >= PORT_LIFE_MS
      if (!isAged || this.draining.length >= MAX_DRAINING) if (!open.port.isFull) return open.port
    }
    const waiting = this.opening.get(upstream)
    if (waiting !== undefined) {
      if (open === undefined) waiting.push(exchange)
      return open?.port
    }
    const queue = this.openPort(upstream)
    // Where sockets open at once it is there already.
    const opened = this.ports.get(upstream)
    if (opened === undefined) queue.push(exchange)
    return opened?.port
  }

  /**
   * Opens a socket for the upstream; returns the list of exchanges that are sent when it is open, or told why it could
   * not be opened.
   */
  private openPort(upstream: Upstream): Array<Exchange> {
    const waiting: Array<Exchange> = []
    this.opening.set(upstream, waiting)
    const open = Effect.gen({ self: this }, function* () {
      const scope = yield* Scope.fork(this.scope)
      const port = yield* this.openAnywhere(upstream).pipe(
        Scope.provide(scope),
        Effect.onError(() => Scope.close(scope, Exit.void))
      )
      this.opening.delete(upstream)
      const before = this.ports.get(upstream)
      if (before !== undefined) this.draining.push(before)
      this.ports.set(upstream, { port, scope })
      for (const exchange of waiting) exchange.sendFrom(port)
    })
    const failed = (message: string) =>
      Effect.map(Incidents, (incidents) => {
        this.opening.delete(upstream)
        // In a later microtask: the exchange that caused the opening may not be in the list yet.
        queueMicrotask(() => {
          for (const exchange of waiting) {
            runGuarded(incidents, BORDER, () => exchange.onFailure(new NetworkFailure({ message, isUnsent: true })))
          }
        })
      })
    this.run(
      open.pipe(
        // Only the way to this upstream failed: the sockets to the others go on.
        Effect.catch(({ message }) => failed(message)),
        Effect.catchDefect((defect) => {
          this.isBroken = true
          this.options.counters.add("defects")
          return Effect.andThen(
            Effect.logError("internal error while opening a socket", defect),
            failed("internal error")
          )
        })
      )
    )
    return waiting
  }

  /** Waits until the last exchange on it is over. */
  readonly drained: Effect.Effect<void> = Effect.suspend(() =>
    this.inFlight === 0 ? Effect.void : Effect.delay(this.drained, DRAIN_CHECK_MS)
  )

  /** Opens a socket to the first of the upstream's addresses that one can be opened to. */
  private openAnywhere(upstream: Upstream): Effect.Effect<UdpPort, SocketError, DatagramTransport | Scope.Scope> {
    const { rules, clock, counters, addressResolvers } = this.options
    const addresses = addressResolvers.get(upstream)!
    const openAt = (address: string) =>
      UdpPort.open(
        { address, port: upstream.endpoint.port },
        {
          rules,
          nowMs: clock.nowMs(),
          onBatch: clock.refresh,
          onMismatch: () => counters.add("upstream.strangers"),
          onForged: () => this.noteForged(upstream),
          cookies: upstream.cookiesAt(address, clock.nowMs()),
          addressResolver: isNamed(upstream.address) ? addresses : undefined
        }
      )
    const tryAt = (address: string) =>
      Effect.tapError(openAt(address), () => Effect.sync(() => addresses.demote(address)))
    return Effect.flatMap(addresses.current, ([first, ...others]) =>
      others.reduce((trying, address) => Effect.catch(trying, () => tryAt(address)), tryAt(first!))
    )
  }

  /** A forged reply came; says whether there were too many lately. */
  private noteForged(upstream: Upstream): boolean {
    const { clock, counters } = this.options
    const nowMs = clock.nowMs()
    if (upstream.forgeries.onForged(nowMs)) {
      counters.add("upstream.spoofed")
      this.run(
        Effect.logWarning(
          `forged replies come in the name of upstream ${upstream.name}: until there are none it is asked by TCP`
        )
      )
    }
    return upstream.forgeries.isRaised(nowMs)
  }

  /**
   * Whether the socket's address is not used any more, because it is silent or another thread has found it so. The
   * exchanges that wait there are moved to the next address.
   *
   * @param isLate whether a question has just been left unanswered
   */
  private isLeft(open: OpenPort, upstream: Upstream, isLate: boolean): boolean {
    const { port } = open
    const addresses = port.addressResolver!
    if (port.address === addresses.first && addresses.isSilent(this.options.silenceMs(), isLate))
      addresses.demote(port.address)
    if (port.address === addresses.first || this.ports.get(upstream) !== open) return false
    this.ports.delete(upstream)
    this.draining.push(open)
    port.leave()
    return true
  }

  private readonly closeDrained: Effect.Effect<void> = Effect.suspend(() => {
    for (const [upstream, open] of this.ports) {
      if (open.port.addressResolver !== undefined) this.isLeft(open, upstream, false)
      // The upstream is no longer in use.
      if (!this.options.connections.has(upstream) && this.ports.delete(upstream)) this.draining.push(open)
    }
    const over = this.draining.filter(({ port }) => port.isIdle)
    for (const open of over) this.draining.splice(this.draining.indexOf(open), 1)
    return Effect.forEach(over, ({ scope }) => Scope.close(scope, Exit.void), { discard: true })
  })
}

type Run = (effect: Effect.Effect<void, never, DatagramTransport>) => { readonly interruptUnsafe: () => void }
