/**
 * A resolver: an actor with sockets of its own that carries many exchanges at once.
 *
 * It has one UDP socket for each upstream, replaced about once a second while in use, so that source ports stay
 * unpredictable (RFC 5452 §9.2): twenty resolvers show an upstream over a thousand ports a minute. A socket that was
 * replaced lives until its exchanges are over.
 */
import { type Context, Effect, Exit, Fiber, Pool, Scope } from "effect"
import { Rcode } from "../dns/codes.ts"
import type { Option, Question } from "../dns/question.ts"
import type { Response, TtlBounds } from "../dns/response.ts"
import type { DatagramTransport, SocketError } from "../io/datagram.ts"
import type { Counters } from "../telemetry/counters.ts"
import type { AttemptRecord } from "../telemetry/record.ts"
import { type AttemptFailure, NetworkFailure } from "./attempt.ts"
import type { TcpConnection } from "./tcp-connection.ts"
import { UdpPort } from "./udp-port.ts"
import type { Upstream } from "./upstream.ts"

const PORT_LIFE_MS = 1_000
const DRAIN_CHECK_MS = 250
const MAX_DRAINING = 16

interface OpenPort {
  readonly port: UdpPort
  readonly scope: Scope.Closeable
}

export interface ResolverOptions {
  readonly ttl: TtlBounds
  readonly nowMs: () => number
  readonly counters: Counters["Service"]
  readonly loopOption: Option
  readonly connections: ReadonlyMap<Upstream, Pool.Pool<TcpConnection, SocketError>>
}

export class Resolver {
  /** Exchanges under way. */
  inFlight = 0
  /** Set when it can no longer open sockets: its place in the pool is given to a new one. */
  isBroken = false
  private readonly ports = new Map<Upstream, OpenPort>()
  private readonly opening = new Map<Upstream, Effect.Effect<UdpPort, SocketError>>()
  private readonly draining: Array<OpenPort> = []
  private readonly options: ResolverOptions
  private readonly context: Context.Context<DatagramTransport>
  private readonly scope: Scope.Scope

  private constructor(options: ResolverOptions, context: Context.Context<DatagramTransport>, scope: Scope.Scope) {
    this.options = options
    this.context = context
    this.scope = scope
  }

  static make(options: ResolverOptions): Effect.Effect<Resolver, never, DatagramTransport | Scope.Scope> {
    return Effect.gen(function* () {
      const scope = yield* Effect.scope
      const resolver = new Resolver(options, yield* Effect.context<DatagramTransport>(), scope)
      yield* Effect.forkScoped(Effect.forever(Effect.delay(resolver.closeDrained, DRAIN_CHECK_MS)))
      return resolver
    })
  }

  /**
   * One attempt: the question goes to the upstream over its protocol, by TCP again if the reply is truncated, without
   * EDNS again if the upstream does not know it. Ends with whatever the upstream answers, errors included.
   */
  exchange(
    upstream: Upstream,
    question: Question,
    record: AttemptRecord,
    onTrouble: (error: Error) => void
  ): Effect.Effect<Response, AttemptFailure> {
    const edns = upstream.speaksEdns(this.options.nowMs())
    const options = upstream.isNear ? [this.options.loopOption] : []
    return Effect.suspend(() => {
      this.inFlight++
      upstream.inFlight++
      return this.send(upstream, question, edns, options, record, onTrouble)
    }).pipe(
      Effect.flatMap((response) => {
        const isPlainError =
          edns && !response.hasOpt && (response.rcode === Rcode.FormErr || response.rcode === Rcode.NotImp)
        if (!isPlainError) return Effect.succeed(response)
        upstream.rememberPlain(this.options.nowMs())
        return this.send(upstream, question, false, [], record, onTrouble)
      }),
      Effect.ensuring(
        Effect.sync(() => {
          this.inFlight--
          upstream.inFlight--
        })
      )
    )
  }

  private send(
    upstream: Upstream,
    question: Question,
    edns: boolean,
    options: ReadonlyArray<Option>,
    record: AttemptRecord,
    onTrouble: (error: Error) => void
  ): Effect.Effect<Response, AttemptFailure> {
    const byTcp = Effect.suspend(() => {
      record.transport = "tcp"
      const pool = this.options.connections.get(upstream)!
      return Pool.use(pool, (connection) =>
        connection
          .ask(question, edns, options)
          .pipe(
            Effect.ensuring(
              Effect.suspend(() => (connection.isBroken ? Pool.invalidate(pool, connection) : Effect.void))
            )
          )
      ).pipe(Effect.catchTag("SocketError", (error) => Effect.fail(new NetworkFailure({ message: error.message }))))
    })
    if (upstream.protocol === "tcp") return byTcp
    return this.portFor(upstream).pipe(
      Effect.catchTag("SocketError", (error) => {
        this.isBroken = true
        return Effect.fail(new NetworkFailure({ message: error.message }))
      }),
      Effect.flatMap((port) => port.ask(question, edns, options, onTrouble)),
      Effect.flatMap((response) => {
        if (!response.truncated) return Effect.succeed(response)
        this.options.counters.add("upstream.truncated")
        return byTcp
      })
    )
  }

  private portFor(upstream: Upstream): Effect.Effect<UdpPort, SocketError> {
    const open = this.ports.get(upstream)
    const nowMs = this.options.nowMs()
    if (open !== undefined && !open.port.isFull) {
      const isFresh = nowMs - open.port.openedMs < PORT_LIFE_MS
      if (isFresh || this.draining.length >= MAX_DRAINING) return Effect.succeed(open.port)
    }
    const underWay = this.opening.get(upstream)
    if (underWay !== undefined) return open === undefined ? underWay : Effect.succeed(open.port)
    const renew = Effect.gen({ self: this }, function* () {
      const scope = yield* Scope.fork(this.scope)
      const port = yield* UdpPort.open(upstream.endpoint, this.options.ttl, nowMs, () =>
        this.options.counters.add("upstream.strangers")
      ).pipe(
        Scope.provide(scope),
        Effect.onError(() => Scope.close(scope, Exit.void))
      )
      if (open !== undefined) this.draining.push(open)
      this.ports.set(upstream, { port, scope })
      return port
    }).pipe(Effect.provideContext(this.context), Effect.ensuring(Effect.sync(() => this.opening.delete(upstream))))
    // All who need the socket while it is being opened wait for the same opening, which outlives who came first.
    return Effect.flatMap(Effect.forkIn(renew, this.scope, { startImmediately: true }), (fiber) => {
      if (fiber.pollUnsafe() === undefined) this.opening.set(upstream, Fiber.join(fiber))
      return Fiber.join(fiber)
    })
  }

  private readonly closeDrained: Effect.Effect<void> = Effect.suspend(() => {
    const over = this.draining.filter(({ port }) => port.isIdle)
    for (const open of over) this.draining.splice(this.draining.indexOf(open), 1)
    return Effect.forEach(over, ({ scope }) => Scope.close(scope, Exit.void), { discard: true })
  })
}
