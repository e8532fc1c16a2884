/**
 * The address resolver: the addresses of an upstream that is configured by name, asked of the bootstrap servers and
 * kept.
 *
 * They are asked again in the background as their TTLs run out; the last good ones are kept until there are others. A
 * name that is not resolved yet is asked again after growing pauses, while the server runs and its other upstreams
 * answer.
 *
 * The first address is used. One that does not answer, or cannot be reached, is demoted to the end: for all resolvers
 * of the thread, and, by a word in shared memory, for those of all threads.
 */
import { promises as dns } from "node:dns"
import { Deferred, Effect, type Scope } from "effect"
import { SocketError } from "../../io/datagram.ts"
import { type Endpoint, formatEndpoint } from "../../io/endpoint.ts"
import { messageOf } from "../../runtime/error-text.ts"
import { stableHash } from "../../runtime/stable-hash.ts"
import { Word } from "../health/shared-state.ts"

export interface Found {
  /** At least one. */
  readonly addresses: ReadonlyArray<string>
  readonly ttlSeconds: number
}

/** Resolves a name. */
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
/** A question that is asked again sooner than this did not wait for its answer. */
const LATE_MS = 40
/** For this long after the address changed, silence may have been the old address's. */
const LATELY_MS = 10_000

/** What all address resolvers of a thread use. */
export interface AddressContext {
  readonly nowMs: () => number
  /** What all threads know of the upstream: in `Word.Address`, the hash of the address that is asked. */
  readonly words: Int32Array
}

/** @param servers gives the servers in use now */
export const findBy = (servers: () => ReadonlyArray<Endpoint>): FindName => {
  return (name) =>
    Effect.promise(() => {
      const resolver = new dns.Resolver({ timeout: ASK_MS, tries: ASK_TIMES })
      resolver.setServers(servers().map(formatEndpoint))
      return Promise.allSettled([resolver.resolve6(name, { ttl: true }), resolver.resolve4(name, { ttl: true })])
    }).pipe(
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

export class AddressResolver {
  private addresses: ReadonlyArray<string> = []
  private failure: string | undefined
  /** Done when the first answer, good or bad, is there. */
  private readonly isAsked = Deferred.makeUnsafe<void>()
  private readonly remote: Endpoint
  private readonly context: AddressContext
  /** What the shared word was when it was looked at last. */
  private seenWord = 0
  /** Addresses that have answered since they were demoted last. */
  private readonly proven = new Set<string>()
  /** Since when the first address has not answered what it was asked; undefined where it has. */
  private owesSinceMs: number | undefined
  private movedMs = Number.NEGATIVE_INFINITY

  private constructor(remote: Endpoint, context: AddressContext) {
    this.remote = remote
    this.context = context
  }

  /** For an upstream that is configured by address. */
  static fixed(remote: Endpoint, context: AddressContext): AddressResolver {
    const addressResolver = new AddressResolver(remote, context)
    addressResolver.addresses = [remote.address]
    Deferred.doneUnsafe(addressResolver.isAsked, Effect.void)
    return addressResolver
  }

  /** For an upstream that is configured by name, which is resolved again and again as long as the scope lives. */
  static followed(
    remote: Endpoint,
    context: AddressContext,
    find: FindName
  ): Effect.Effect<AddressResolver, never, Scope.Scope> {
    const addressResolver = new AddressResolver(remote, context)
    return Effect.as(Effect.forkScoped(addressResolver.follow(find)), addressResolver)
  }

  /** The addresses as far as they are known; waits for the first answer where it is on its way. */
  get current(): Effect.Effect<ReadonlyArray<string>, SocketError> {
    return Effect.andThen(
      Deferred.await(this.isAsked),
      Effect.suspend(() => {
        this.followOthers()
        return this.addresses.length > 0
          ? Effect.succeed(this.addresses)
          : Effect.fail(
              new SocketError({ endpoint: formatEndpoint(this.remote), message: `no address: ${this.failure}` })
            )
      })
    )
  }

  /** Addresses besides the first. */
  get others(): number {
    return Math.max(0, this.addresses.length - 1)
  }

  /** The one to be asked, as far as any is known. */
  get first(): string | undefined {
    this.followOthers()
    return this.addresses[0]
  }

  /** Whether the address changed a moment ago. */
  get hasMovedLately(): boolean {
    return this.context.nowMs() - this.movedMs < LATELY_MS
  }

  /** A question was sent to the first. */
  asked(): void {
    this.owesSinceMs ??= this.context.nowMs()
  }

  /** An address has answered. */
  heard(address: string): void {
    if (address === this.addresses[0]) this.owesSinceMs = undefined
    if (!this.proven.has(address)) this.proven.add(address)
  }

  /**
   * Whether the first address has been silent for so long that another should be used. One that has never answered need
   * only leave one question unanswered.
   *
   * @param limitMs for an address that has answered before
   * @param isLate whether it has just left a question unanswered
   */
  isSilent(limitMs: number, isLate: boolean): boolean {
    if (this.owesSinceMs === undefined || this.others === 0) return false
    const silentMs = this.context.nowMs() - this.owesSinceMs
    return silentMs >= (isLate && !this.proven.has(this.addresses[0]!) ? LATE_MS : limitMs)
  }

  /** The address was found to work: it is tried first from now on. */
  prefer(address: string | undefined): void {
    if (address === undefined || !this.addresses.includes(address)) return
    this.heard(address)
    if (this.addresses[0] !== address) this.begin([address, ...this.addresses.filter((other) => other !== address)])
  }

  /** The address does not answer: it is tried last from now on, after those that have answered and the others. */
  demote(address: string): void {
    this.proven.delete(address)
    if (this.addresses[0] !== address || this.others === 0) return
    const others = this.addresses.slice(1)
    const proven = others.filter((other) => this.proven.has(other))
    this.begin([...proven, ...others.filter((other) => !this.proven.has(other)), address])
  }

  private begin(addresses: ReadonlyArray<string>): void {
    this.moveTo(addresses)
    this.seenWord = wordOf(addresses[0]!)
    Atomics.store(this.context.words, Word.Address, this.seenWord)
  }

  private moveTo(addresses: ReadonlyArray<string>): void {
    this.addresses = addresses
    this.owesSinceMs = undefined
    this.movedMs = this.context.nowMs()
  }

  /** Follows another thread to the address that it uses. */
  private followOthers(): void {
    const word = this.context.words[Word.Address]!
    if (word === this.seenWord) return
    this.seenWord = word
    const address = this.addresses.find((other) => wordOf(other) === word)
    if (address === undefined || address === this.addresses[0]) return
    this.moveTo([address, ...this.addresses.filter((other) => other !== address)])
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

  /** The one that was first stays first where it is still among them; at the start, the one that other threads ask. */
  private keep(addresses: ReadonlyArray<string>): void {
    const first = this.addresses[0]
    const word = this.context.words[Word.Address]!
    const kept = addresses.find((address) => address === first) ?? addresses.find((address) => wordOf(address) === word)
    this.addresses = kept === undefined ? addresses : [kept, ...addresses.filter((address) => address !== kept)]
    if (this.addresses[0] !== first) this.owesSinceMs = undefined
    for (const address of this.proven) if (!addresses.includes(address)) this.proven.delete(address)
  }
}

const wordOf = (address: string): number => stableHash(Buffer.from(address))
