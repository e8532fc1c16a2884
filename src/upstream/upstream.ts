/** An upstream: a server that queries are forwarded to. Its address, and all that is known of it. */
import { nameUpstream, type UpstreamAddress } from "../config/codec/upstream-address.ts"
import { type Endpoint, isLoopback, isPrivate } from "../io/endpoint.ts"
import { Breaker, type OnTransition } from "./health/breaker.ts"
import { KnownQuestion } from "./health/known-question.ts"
import { ProbeLease } from "./health/probe-lease.ts"
import { Flag, ownState, type UpstreamState } from "./health/shared-state.ts"
import { Trials } from "./health/trials.ts"
import { type UpstreamObserver, unobserved } from "./observer.ts"
import { Latency } from "./select/latency.ts"
import { CaseSupport } from "./transport/case-support.ts"
import { CookieJar } from "./transport/cookie-jar.ts"
import { EdnsSupport } from "./transport/edns-support.ts"
import { ForgeryAlarm } from "./transport/forgery-alarm.ts"
import { SubnetSupport } from "./transport/subnet-support.ts"

const MAX_JARS = 32

export class Upstream {
  name: string
  readonly address: UpstreamAddress
  /** Its `address` is a name where the upstream is known by one. */
  readonly endpoint: Endpoint
  readonly isOnLoopback: boolean
  /** Nobody on the way reads what it is asked. */
  readonly isEncrypted: boolean
  /** Whether nobody can tamper with what comes from it. */
  private readonly isSafe: boolean
  private readonly trustsAll: () => boolean
  /** At an address on loopback or a private network: only from there a query can come back round to us. */
  readonly isNear: boolean
  /** The part that all threads share. */
  readonly state: UpstreamState
  readonly breaker: Breaker
  readonly latency: Latency
  /** Which thread checks its health. */
  readonly probeLease: ProbeLease
  /** A question that it has answered, for probes. */
  readonly known: KnownQuestion
  /** How much of EDNS it takes. */
  readonly edns = new EdnsSupport()
  /** Whether it takes account of clients' networks. */
  readonly subnets = new SubnetSupport()
  /** Whether it keeps the letters of a question as they are sent. */
  readonly caseSupport = new CaseSupport()
  /** Whether replies are forged in its name. */
  readonly forgeries = new ForgeryAlarm()
  /** Which questions may be sent to it though its breaker is not closed. */
  readonly trials = new Trials()
  /** Counts and logs the attempts at it. */
  readonly observer: UpstreamObserver
  /** Exchanges under way in this thread. */
  inFlight = 0
  /** Those of them that wait in vain because of their questions: the upstream answers others meanwhile. */
  unanswerable = 0

  private readonly jars = new Map<string, CookieJar>()

  /**
   * @param trustsAll whether the user's word is that every upstream may be believed
   * @param state what is known of it
   * @param worker this thread's number among those that know it together
   */
  constructor(
    address: UpstreamAddress,
    trustsAll: () => boolean,
    state: UpstreamState = ownState(),
    worker = 1,
    onTransition: OnTransition = () => {},
    observer: UpstreamObserver = unobserved
  ) {
    this.state = state
    this.observer = observer
    this.breaker = new Breaker(state, onTransition)
    this.latency = new Latency(state)
    this.probeLease = new ProbeLease(state, worker)
    this.known = new KnownQuestion(state)
    this.address = address
    this.endpoint = address.endpoint
    this.name = nameUpstream(address)
    const host = address.endpoint.address
    this.isOnLoopback = isLoopback(host)
    this.isEncrypted = address.protocol === "tls" || address.protocol === "https"
    // Who is there has proved it.
    this.isSafe = this.isOnLoopback || this.isEncrypted
    this.trustsAll = trustsAll
    this.isNear = this.isOnLoopback || isPrivate(host)
  }

  /** The configuration in use calls it so. */
  rename(name: string): void {
    this.name = name
    this.observer.rename(name)
  }

  /** Whether its AD bit is believed: a path that nobody can tamper with, or the user's word. */
  get isTrusted(): boolean {
    return this.isSafe || this.trustsAll()
  }

  /** Taken out of use by hand: asked only where no other can be. */
  get isDrained(): boolean {
    return this.state.flags[Flag.Drained] !== 0
  }

  /** The cookies of one of its addresses. */
  cookiesAt(address: string, nowMs: number): CookieJar {
    let jar = this.jars.get(address)
    if (jar === undefined || jar.isOld(nowMs)) {
      jar = new CookieJar(nowMs)
      // Addresses come and go; those that it has had lately are enough.
      if (this.jars.size >= MAX_JARS) this.jars.clear()
      this.jars.set(address, jar)
    }
    return jar
  }

  /** Where it is counted. */
  get slot(): number {
    return this.observer.slot
  }

  /** The transport of the first message. */
  get transport(): "udp" | "tcp" {
    return this.address.protocol === "udp" ? "udp" : "tcp"
  }

  /**
   * The exchanges that show how busy it is. Unanswerable ones do not: a zone that nobody can resolve may have a
   * thousand.
   */
  get busyWith(): number {
    return this.inFlight - this.unanswerable
  }
}
