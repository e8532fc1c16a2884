/**
 * Where an upstream is that is known by a name: its addresses, asked of the bootstrap servers and kept.
 *
 * They are asked again in the background as their TTLs run out. The last good ones are kept for as long as no others
 * are to be had. A name that is not known yet is asked for at growing pauses; the server runs meanwhile, and its other
 * upstreams answer.
 */
import { promises as dns } from "node:dns"
import { Deferred, Effect, type Scope } from "effect"
import { SocketError } from "../io/datagram.ts"
import { type Endpoint, formatEndpoint } from "../io/endpoint.ts"

export interface Found {
  /** At least one. */
  readonly addresses: ReadonlyArray<string>
  readonly ttlSeconds: number
}

/** Asks where a name is. */
export type FindName = (name: string) => Effect.Effect<Found, LookupFailed>

export class LookupFailed {
  readonly _tag = "LookupFailed"
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

const ASK_MS = 2_000
const ASK_TIMES = 2
const MIN_REFRESH_SECONDS = 30
const MAX_REFRESH_SECONDS = 3_600
const FIRST_PAUSE_MS = 500
const MAX_PAUSE_MS = 60_000

/** Asks these servers, A and AAAA (RFC 3596), by Node's own resolver; one of the two is enough. */
export const findBy = (servers: ReadonlyArray<Endpoint>): FindName => {
  const resolver = new dns.Resolver({ timeout: ASK_MS, tries: ASK_TIMES })
  resolver.setServers(servers.map(formatEndpoint))
  return (name) =>
    Effect.promise(() =>
      Promise.allSettled([resolver.resolve6(name, { ttl: true }), resolver.resolve4(name, { ttl: true })])
    ).pipe(
      Effect.flatMap((results) => {
        const records = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []))
        if (records.length > 0) {
          const ttlSeconds = Math.min(...records.map(({ ttl }) => ttl))
          return Effect.succeed({ addresses: records.map(({ address }) => address), ttlSeconds })
        }
        const reasons = results.flatMap((result) => (result.status === "rejected" ? [messageOf(result.reason)] : []))
        return Effect.fail(new LookupFailed(reasons.at(-1) ?? "no addresses"))
      })
    )
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

export class Whereabouts {
  private addresses: ReadonlyArray<string> = []
  private failure: string | undefined
  /** Done when the first answer, good or bad, is there. */
  private readonly isAsked = Deferred.makeUnsafe<void>()
  private readonly remote: Endpoint

  private constructor(remote: Endpoint) {
    this.remote = remote
  }

  /** Of an upstream that has an address of its own. */
  static fixed(remote: Endpoint): Whereabouts {
    const whereabouts = new Whereabouts(remote)
    whereabouts.addresses = [remote.address]
    Deferred.doneUnsafe(whereabouts.isAsked, Effect.void)
    return whereabouts
  }

  /** Of an upstream with a name, which is asked for as long as the scope lives. */
  static followed(remote: Endpoint, find: FindName): Effect.Effect<Whereabouts, never, Scope.Scope> {
    const whereabouts = new Whereabouts(remote)
    return Effect.as(Effect.forkScoped(whereabouts.follow(find)), whereabouts)
  }

  /** The addresses as far as they are known; waits for the first answer where it is on its way. */
  get current(): Effect.Effect<ReadonlyArray<string>, SocketError> {
    return Effect.andThen(
      Deferred.await(this.isAsked),
      Effect.suspend(() =>
        this.addresses.length > 0
          ? Effect.succeed(this.addresses)
          : Effect.fail(
              new SocketError({ endpoint: formatEndpoint(this.remote), message: `no address: ${this.failure}` })
            )
      )
    )
  }

  /** The address that was found to work is tried first from now on. */
  prefer(address: string | undefined): void {
    if (address === undefined || this.addresses[0] === address || !this.addresses.includes(address)) return
    this.addresses = [address, ...this.addresses.filter((other) => other !== address)]
  }

  /** The address at which nobody answers is tried last from now on. */
  passOver(address: string): void {
    if (this.addresses[0] === address) this.addresses = [...this.addresses.slice(1), address]
  }

  private follow(find: FindName): Effect.Effect<never> {
    const name = this.remote.address
    let pauseMs = 0
    const ask = Effect.gen({ self: this }, function* () {
      const found = yield* Effect.result(find(name))
      if (found._tag === "Success") {
        if (this.failure !== undefined) yield* Effect.logInfo(`${name} is found again`, found.success.addresses)
        this.failure = undefined
        pauseMs = 0
        this.keep(found.success.addresses)
        Deferred.doneUnsafe(this.isAsked, Effect.void)
        const { ttlSeconds } = found.success
        return 1000 * Math.max(MIN_REFRESH_SECONDS, Math.min(MAX_REFRESH_SECONDS, ttlSeconds))
      }
      const { message } = found.failure
      const has = this.addresses.length > 0 ? "the addresses known so far are kept" : "it cannot be asked yet"
      if (this.failure !== message) yield* Effect.logWarning(`${name} is not found, ${has}: ${message}`)
      this.failure = message
      Deferred.doneUnsafe(this.isAsked, Effect.void)
      pauseMs = Math.min(MAX_PAUSE_MS, pauseMs === 0 ? FIRST_PAUSE_MS : pauseMs * 2)
      return pauseMs
    })
    return Effect.forever(Effect.flatMap(ask, Effect.sleep))
  }

  /** The one that was first stays first where it is still among them. */
  private keep(addresses: ReadonlyArray<string>): void {
    const first = this.addresses[0]
    this.addresses = addresses
    this.prefer(first)
  }
}
