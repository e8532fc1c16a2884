/**
 * One attempt's way over the transports: UDP, or a connection of whatever protocol; TCP where the reply came truncated,
 * without EDNS where the upstream does not know it, without the client's network where it refuses that (RFC 7766 §5,
 * RFC 6891 §7, RFC 7871 §7.3).
 */
import { Rcode } from "../dns/codes.ts"
import type { Option, Question } from "../dns/question.ts"
import type { Response } from "../dns/response.ts"
import { OPTION_CLIENT_SUBNET, optionOf, SCOPE_OF_SOURCE, type Subnet } from "../dns/subnet.ts"
import type { Attempt, AttemptFailure, Exchange } from "./attempt.ts"
import type { Call } from "./connection.ts"
import type { Connections } from "./connections.ts"
import type { Resolver } from "./resolver.ts"
import type { UdpPort } from "./udp-port.ts"

const noOptions: ReadonlyArray<Option> = []

export class Errand implements Exchange {
  readonly attempt: Attempt
  edns: boolean
  options: ReadonlyArray<Option>
  id = 0
  private readonly resolver: Resolver
  private port: UdpPort | undefined
  private call: Call | undefined
  private isOver = false
  /** Whether the upstream is told the client's network. */
  private tellsSubnet = false

  constructor(resolver: Resolver, attempt: Attempt) {
    this.resolver = resolver
    this.attempt = attempt
    this.edns = attempt.upstream.speaksEdns(resolver.options.turn.nowMs())
    this.options = attempt.upstream.isNear ? resolver.options.loopOptions : noOptions
    const subnet = attempt.question.origin?.subnet
    if (subnet !== undefined && this.edns) this.tell(subnet)
  }

  get question(): Question {
    return this.attempt.question
  }

  start(): void {
    if (this.attempt.upstream.transport === "tcp") {
      this.goByConnection()
      return
    }
    const port = this.resolver.portFor(this.attempt.upstream, this)
    if (port !== undefined) this.sendFrom(port)
  }

  sendFrom(port: UdpPort): void {
    if (this.isOver) return
    this.port = port
    port.ask(this, this.edns, this.options)
  }

  /** Nobody waits for it any more. */
  giveUp(): void {
    if (this.isOver) return
    this.end()
    this.port?.forget(this)
    if (this.call !== undefined) this.connections.giveUp(this.call)
  }

  onResponse(response: Response): void {
    if (this.isOver) return
    const { upstream } = this.attempt
    const isPlainError = response.rcode === Rcode.FormErr || response.rcode === Rcode.NotImp
    if (this.edns && isPlainError && !response.hasOpt) {
      upstream.rememberPlain(this.resolver.options.turn.nowMs())
      this.edns = false
      this.options = noOptions
      this.tellsSubnet = false
      this.start()
      return
    }
    if (this.tellsSubnet && response.rcode === Rcode.Refused) {
      this.options = this.options.filter(({ code }) => code !== OPTION_CLIENT_SUBNET)
      this.tellsSubnet = false
      this.call = undefined
      this.start()
      return
    }
    if (response.truncated && this.call === undefined) {
      this.resolver.options.counters.add("upstream.truncated")
      this.goByConnection()
      return
    }
    this.end()
    const isForSource = !this.tellsSubnet && this.attempt.question.origin?.subnet !== undefined
    this.attempt.onResponse(isForSource ? { ...response, scope: SCOPE_OF_SOURCE } : response)
  }

  onFailure(failure: AttemptFailure): void {
    if (this.isOver) return
    this.end()
    this.attempt.onFailure(failure)
  }

  onTrouble(message: string): void {
    if (!this.isOver) this.attempt.onTrouble(message)
  }

  private tell(subnet: Subnet): void {
    const data = optionOf(subnet)
    if (data === undefined) return
    this.options = [...this.options, { code: OPTION_CLIENT_SUBNET, data }]
    this.tellsSubnet = true
  }

  private get connections(): Connections {
    return this.resolver.options.connections.get(this.attempt.upstream)!
  }

  private goByConnection(): void {
    this.port = undefined
    this.attempt.transport = "tcp"
    this.call = this.connections.ask(this, this.edns, this.options)
  }

  private end(): void {
    this.isOver = true
    this.resolver.inFlight--
    this.attempt.upstream.inFlight--
  }
}
