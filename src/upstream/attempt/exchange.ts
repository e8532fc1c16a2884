/**
 * The exchange of one attempt, over one transport or several: UDP, or a connection of whatever protocol; TCP where the
 * reply came truncated, or may be forged; without options, or without EDNS, where the upstream refuses them; without the
 * client's network where it refuses that (RFC 7766 §5, RFC 5452 §9, RFC 6891 §7, RFC 7871 §7.3).
 */
import { Rcode, rcodeName } from "../../dns/codes.ts"
import type { Option, Question } from "../../dns/question.ts"
import type { Response } from "../../dns/response.ts"
import { OPTION_CLIENT_SUBNET, optionOf, prefixOf, SCOPE_OF_SOURCE } from "../../dns/subnet.ts"
import type { Attempt, AttemptFailure, Requester } from "../requester.ts"
import type { AddressResolver } from "../transport/address-resolver.ts"
import type { PendingRequest } from "../transport/connection.ts"
import type { Connections } from "../transport/connections.ts"
import type { CookieJar, Proof } from "../transport/cookie-jar.ts"
import { EdnsLevel, type HigherLevel, lowerLevel, refusesEdns } from "../transport/edns-support.ts"
import type { UdpPort } from "../transport/udp-port.ts"
import type { Resolver } from "./resolver.ts"

const noOptions: ReadonlyArray<Option> = []

export class Exchange implements Requester {
  readonly attempt: Attempt
  options: ReadonlyArray<Option>
  id = 0
  caseBits = 0
  private readonly resolver: Resolver
  private level: EdnsLevel
  /** How the higher EDNS levels failed for this question. */
  private higher: HigherLevel
  private port: UdpPort | undefined
  private request: PendingRequest | undefined
  private isOver = false
  /** The cookies that its message by UDP was sent with. */
  private cookies: CookieJar | undefined
  /** What a reply by UDP did not show, for which it was asked again by TCP. */
  private missed: "case" | "cookie" | undefined
  private hasShownCookie = false
  /** It went by TCP because of forged replies, and nobody is there: what comes by UDP is believed as it was before. */
  private isWithoutTcp = false
  /** How often it was moved to the upstream's next address. */
  private moves = 0

  constructor(resolver: Resolver, attempt: Attempt) {
    this.resolver = resolver
    this.attempt = attempt
    const { edns, isEncrypted } = attempt.upstream
    // Without EDNS there are no signatures, and no padding.
    const needsEdns = attempt.question.dnssecOk || isEncrypted
    this.level = edns.levelAfter(attempt.failures, needsEdns, this.nowMs)
    this.higher = this.level > edns.level(this.nowMs) ? "silent" : "not-tried"
    this.options = this.optionsAt(this.level)
  }

  get question(): Question {
    return this.attempt.question
  }

  /** Whether the name is sent in mixed letters (0x20). */
  get mixesCase(): boolean {
    const { upstream } = this.attempt
    return this.mayAskForProof && this.resolver.options.mixesCase(upstream) && upstream.caseSupport.isKept(this.nowMs)
  }

  start(): void {
    const { transport } = this.attempt.upstream
    if (transport === "tcp" || this.fearsForgery) {
      this.goByConnection()
      return
    }
    const port = this.resolver.portFor(this.attempt.upstream, this)
    if (port !== undefined) this.sendFrom(port)
  }

  sendFrom(port: UdpPort): void {
    if (this.isOver) return
    this.port = port
    port.addressResolver?.asked()
    port.ask(this, this.hasEdns, this.withCookie(port))
  }

  /** The options of a message by UDP. One that was not answered goes without: its cookie may be why. */
  private withCookie(port: UdpPort): ReadonlyArray<Option> {
    const isSent = this.mayAskForProof && this.level === EdnsLevel.Options && this.resolver.options.sendsCookies()
    this.cookies = isSent ? port.cookies : undefined
    return this.withCookies
  }

  private get withCookies(): ReadonlyArray<Option> {
    const { cookies, options } = this
    if (cookies === undefined) return options
    return options.length === 0 ? cookies.options : [...options, ...cookies.options]
  }

  proofOf({ cookie }: Response): Proof {
    return this.cookies === undefined ? "proven" : this.cookies.judge(cookie)
  }

  onUnproven(what: "case" | "cookie"): void {
    if (this.isOver) return
    this.missed = what
    this.resolver.options.counters.add("upstream.unproven")
    this.goByConnection()
  }

  onSpoofed(): void {
    if (this.isOver || !this.fearsForgery) return
    this.port?.forget(this)
    this.goByConnection()
  }

  /**
   * Whether a connection is asked, for somebody guesses. After an attempt without an answer it is only where one is open: else
   * the upstream may know no TCP. One that is slow by TCP is waited for; who guesses would have all ids by then.
   */
  private get fearsForgery(): boolean {
    if (this.isWithoutTcp || !this.attempt.upstream.forgeries.isRaised(this.nowMs)) return false
    return this.attempt.failures === 0 || this.connections.size > 0
  }

  /**
   * Whether the reply is to prove that it is not forged. Not after an attempt without an answer, for the proof that was
   * asked for may have been the reason; nor where TCP, which decides in doubt, does not work.
   */
  private get mayAskForProof(): boolean {
    return this.attempt.failures === 0 && !this.isWithoutTcp
  }

  /** Ends it without telling the attempt. */
  abandon(): void {
    if (this.isOver) return
    // Nobody answered by TCP meanwhile: the upstream is asked for less the next time.
    if (this.missed !== undefined) this.noteProof()
    this.end()
    this.port?.forget(this)
    if (this.request !== undefined) this.connections.abandon(this.request)
  }

  onResponse(response: Response): void {
    if (this.isOver) return
    this.noteProof(response)
    if (response.rcode === Rcode.BadCookie && this.port !== undefined && this.cookies !== undefined) {
      this.onBadCookie()
      return
    }
    if (refusesEdns(response)) {
      // Only a question's first attempt at the upstream tries lower levels: three levels in three attempts would be
      // nine messages.
      const lower = this.attempt.failures > 0 ? undefined : this.lowerLevel(response)
      if (lower !== undefined) {
        this.attempt.upstream.observer.note?.("less of EDNS is tried", { rcode: rcodeName(response.rcode) })
        this.level = lower
        this.higher = "refused"
        this.askAgain(this.optionsAt(lower))
        return
      }
    } else if (this.tellsOfEdns(response)) {
      // The silence at the higher level may have been that of another address.
      const isMoved = this.higher === "silent" && this.addressResolver.hasMovedLately
      const higher = isMoved ? "not-tried" : this.higher
      this.attempt.upstream.edns.onAnswer(this.level, higher, this.nowMs)
    }
    if (response.rcode === Rcode.Refused && this.tellsSubnet) {
      this.askAgain(this.options.filter(({ code }) => code !== OPTION_CLIENT_SUBNET))
      return
    }
    if (response.truncated && this.request === undefined) {
      this.resolver.options.counters.add("upstream.truncated")
      this.goByConnection()
      return
    }
    this.end()
    this.attempt.onResponse(this.asAsked(response))
  }

  /** The server wants the cookie that came with its error; where it is not content with that, TCP (RFC 7873 §5.3). */
  private onBadCookie(): void {
    if (this.hasShownCookie) {
      this.goByConnection()
      return
    }
    this.hasShownCookie = true
    this.askAgain(this.options)
  }

  /**
   * Learns of what a reply by UDP lacked: letters count against the upstream, a cookie where the reply by TCP has none
   * either, or where nothing comes by TCP.
   */
  private noteProof(response?: Response): void {
    const { caseSupport } = this.attempt.upstream
    if (this.missed === "case") caseSupport.onLost(this.nowMs)
    else if (this.missed === "cookie") {
      if (response?.cookie === undefined) this.cookies?.forget()
    } else if (this.caseBits !== 0 && this.request === undefined && response !== undefined && isWhole(response)) {
      caseSupport.onKept()
    }
    this.missed = undefined
  }

  onFailure(failure: AttemptFailure): void {
    if (this.isOver) return
    const isForProof =
      this.request !== undefined && (this.missed !== undefined || this.hasShownCookie || this.fearsForgery)
    this.noteProof()
    if (isForProof && this.attempt.upstream.transport === "udp" && !this.isWithoutTcp) {
      this.isWithoutTcp = true
      this.attempt.transport = "udp"
      this.askAgain(this.options)
      return
    }
    this.end()
    this.attempt.onFailure(failure)
  }

  onTrouble(message: string): void {
    if (!this.isOver && !this.move()) this.attempt.onTrouble(message)
  }

  onHeld(): void {
    if (!this.isOver) this.attempt.onHeld()
  }

  onLeft(): void {
    if (!this.isOver) this.move()
  }

  /** Sends the question to the upstream's next address, to each once at most; says whether there was one. */
  private move(): boolean {
    if (this.port === undefined || this.moves >= this.addressResolver.others) return false
    this.moves++
    this.port.forget(this)
    this.port = undefined
    this.start()
    return true
  }

  /** Whether the reply shows that the query was understood: an error with an OPT may be caused by the options. */
  private tellsOfEdns({ rcode, hasOpt }: Response): boolean {
    return rcode === Rcode.NoError || rcode === Rcode.NXDomain || (hasOpt && !this.hasOptions)
  }

  /** The level to ask at after a refusal; undefined where EDNS was not the reason. */
  private lowerLevel(response: Response): EdnsLevel | undefined {
    const isOfEdns = response.rcode === Rcode.BadVers
    // A cookie alone it has taken before.
    const isUsual = response.hasOpt && this.options.length === 0 && !isOfEdns
    if (isUsual && this.attempt.upstream.edns.hasWorked) return undefined
    return lowerLevel(this.level, this.hasOptions)
  }

  private askAgain(options: ReadonlyArray<Option>): void {
    this.options = options
    this.request = undefined
    this.start()
  }

  /**
   * The options of the query: the loop mark for upstreams from which a query could come back, the client's network
   * where it is to be told, and the trace for upstreams that are told of it.
   */
  private optionsAt(level: EdnsLevel): ReadonlyArray<Option> {
    if (level !== EdnsLevel.Options) return noOptions
    const { loopOptions, traceOption } = this.resolver.options
    const options = this.attempt.upstream.isNear ? loopOptions : noOptions
    const subnet = this.question.clientContext?.subnet
    const data = subnet === undefined ? undefined : optionOf(subnet)
    const trace = traceOption(this.attempt)
    if (data === undefined && trace === undefined) return options
    return [
      ...options,
      ...(data === undefined ? [] : [{ code: OPTION_CLIENT_SUBNET, data }]),
      ...(trace === undefined ? [] : [trace])
    ]
  }

  /** Limits the use of an answer to a question that was not asked as it was meant to be. */
  private asAsked(response: Response): Response {
    const { edns } = this.attempt.upstream
    const scope = this.scopeOf(response)
    // Signatures were wanted, and only this message asked without: the next question may be answered with them.
    const isUsual = edns.level(this.nowMs) === EdnsLevel.None && edns.isConfirmed
    const isUnsigned = this.question.dnssecOk && !this.hasEdns && !isUsual
    if (isUnsigned) return { ...response, scope, ttlSeconds: 0, isUnsigned }
    return scope === response.scope ? response : { ...response, scope }
  }

  /**
   * Without the option in the reply an answer is for the network that asked, unless the upstream is known not to
   * support the option.
   */
  private scopeOf({ hasSubnet, rcode, scope }: Response): number {
    const subnet = this.question.clientContext?.subnet
    if (subnet === undefined) return scope
    if (!this.tellsSubnet) return SCOPE_OF_SOURCE
    const { subnets } = this.attempt.upstream
    const isAnswer = rcode === Rcode.NoError || rcode === Rcode.NXDomain
    if (hasSubnet || (isAnswer && prefixOf(subnet) > 0)) subnets.onAnswer(hasSubnet, this.nowMs)
    return hasSubnet || subnets.areUnknown ? scope : SCOPE_OF_SOURCE
  }

  /** Of its last message. */
  private get hasOptions(): boolean {
    return this.options.length > 0 || this.cookies !== undefined
  }

  private get hasEdns(): boolean {
    return this.level !== EdnsLevel.None
  }

  private get tellsSubnet(): boolean {
    return this.options.some(({ code }) => code === OPTION_CLIENT_SUBNET)
  }

  private get addressResolver(): AddressResolver {
    return this.resolver.options.addressResolvers.get(this.attempt.upstream)!
  }

  private get connections(): Connections {
    return this.resolver.options.connections.get(this.attempt.upstream)!
  }

  private get nowMs(): number {
    return this.resolver.options.clock.nowMs()
  }

  private goByConnection(): void {
    // UDP came first: the trace says when it was left.
    if (this.port !== undefined) this.attempt.tcpSinceMs = this.nowMs
    this.port = undefined
    this.attempt.transport = "tcp"
    // By TCP it is asked with its cookie once more: a reply without one shows that it has none any more.
    const options = this.missed === "cookie" ? this.withCookies : this.options
    if (this.missed !== "cookie") this.cookies = undefined
    this.request = this.connections.ask(this, this.hasEdns, options)
  }

  private end(): void {
    this.isOver = true
    this.resolver.inFlight--
    this.attempt.upstream.inFlight--
  }
}

/** An answer whose question was compared. */
const isWhole = ({ rcode, truncated }: Response): boolean =>
  !truncated && (rcode === Rcode.NoError || rcode === Rcode.NXDomain)
