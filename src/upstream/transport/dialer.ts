/** How a connection to an upstream is opened, by its protocol. */

import type { Socket } from "node:net"
import type { SecureContext } from "node:tls"
import { Effect, type Scope } from "effect"
import type { AnswerRules } from "../../dns/response.ts"
import { SocketError } from "../../io/datagram.ts"
import { type Endpoint, formatEndpoint } from "../../io/endpoint.ts"
import { dial } from "../../io/stream.ts"
import { TlsClient } from "../../io/tls.ts"
import { Incidents } from "../../runtime/incidents.ts"
import type { TimerWheel } from "../../runtime/timer-wheel.ts"
import type { Upstream } from "../upstream.ts"
import type { AddressResolver } from "./address-resolver.ts"
import { Connections, type OpenConnection } from "./connections.ts"
import { HttpsConnection } from "./https-connection.ts"
import { StreamConnection } from "./stream-connection.ts"

/** For name, connection and handshake together. */
const OPEN_TIMEOUT_MS = 3_000
/** For connection and handshake, where there is another address to try. */
const ONE_TIMEOUT_MS = 1_000
/** A failure is logged again after a minute, and at once where its reason is another. */
const SAID_FOR_MS = 60_000

export interface DialOptions {
  readonly wheel: TimerWheel["Service"]
  readonly onBatch: () => void
  readonly rules: AnswerRules
  readonly silenceMs: () => number
  readonly patientMs: () => number
  readonly onMismatch: () => void
  readonly onHeld: () => void
  /** The trusted certificate authorities; loaded only where a server has to prove its identity. */
  readonly trust: () => SecureContext
  readonly addressResolver: AddressResolver
}

/** The connections to one upstream, none open yet; those that open live no longer than the scope. */
export const connectionsTo = (
  upstream: Upstream,
  options: DialOptions
): Effect.Effect<Connections, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { wheel, onBatch, silenceMs, patientMs, onMismatch, onHeld } = options
    const { endpoint } = upstream
    const refusals = new Refusals(upstream, wheel.nowMs)
    const open = opener(upstream, options)
    return yield* Connections.make({
      wheel,
      incidents: yield* Incidents,
      onBatch,
      silenceMs,
      patientMs,
      onMismatch,
      onHeld,
      open: (events, lifetime) =>
        Effect.timeoutOrElse(open(events, lifetime), {
          duration: OPEN_TIMEOUT_MS,
          orElse: () => refused(endpoint, "the connection was not there in time")
        }),
      onRefused: ({ message }) => refusals.say(message),
      onOpened: Effect.suspend(() => refusals.end())
    })
  })

const opener = (upstream: Upstream, options: DialOptions): OpenConnection => {
  const { address, endpoint: remote } = upstream
  const { rules, wheel, addressResolver } = options
  const client =
    address.protocol === "tls" || address.protocol === "https"
      ? new TlsClient(address.identity, options.trust, address.protocol === "https" ? ["h2"] : [], wheel.nowMs)
      : undefined
  return (events, lifetime) =>
    Effect.gen(function* () {
      const dialTo = (addresses: ReadonlyArray<string>) =>
        client === undefined ? dial({ remote, addresses }) : client.dial({ remote, addresses })
      const socket = yield* dialAnywhere(remote, addressResolver, dialTo)
      if (socket.destroyed) return yield* refused(remote, "the connection was closed as soon as it was there")
      addressResolver.prefer(socket.remoteAddress)
      const { note } = upstream.observer
      if (note !== undefined) {
        note("a connection was opened", { to: socket.remoteAddress })
        yield* Effect.addFinalizer(() => Effect.sync(() => note("a connection was closed")))
      }
      return address.protocol === "https"
        ? new HttpsConnection(socket, { events, rules, lifetime, address })
        : new StreamConnection(socket, { events, rules, lifetime, isEncrypted: client !== undefined })
    })
}

/**
 * Connects to the first address that works. The addresses are tried in turn until one accepts (RFC 8305). Where the
 * handshake there fails or hangs, that address is demoted and the others are tried once more.
 */
const dialAnywhere = (
  remote: Endpoint,
  addressResolver: AddressResolver,
  dialTo: (addresses: ReadonlyArray<string>) => Effect.Effect<Socket, SocketError, Scope.Scope>
): Effect.Effect<Socket, SocketError, Scope.Scope> =>
  Effect.flatMap(addressResolver.current, (addresses) => {
    if (addresses.length === 1) return dialTo(addresses)
    const first = Effect.timeoutOrElse(dialTo(addresses), {
      duration: ONE_TIMEOUT_MS,
      orElse: () => refused(remote, "the connection was not there in time")
    })
    return Effect.catch(first, () => {
      addressResolver.demote(addresses[0]!)
      return Effect.flatMap(addressResolver.current, dialTo)
    })
  })

const refused = (remote: Endpoint, message: string): Effect.Effect<never, SocketError> =>
  Effect.fail(new SocketError({ endpoint: formatEndpoint(remote), message }))

/** Logs why an upstream cannot be reached, and that it can be again; not at every attempt. */
class Refusals {
  private readonly upstream: Pick<Upstream, "name">
  private readonly nowMs: () => number
  private last: string | undefined
  private saidMs = 0

  constructor(upstream: Pick<Upstream, "name">, nowMs: () => number) {
    this.upstream = upstream
    this.nowMs = nowMs
  }

  say(message: string): Effect.Effect<void> {
    const nowMs = this.nowMs()
    if (this.last === message && nowMs - this.saidMs < SAID_FOR_MS) return Effect.void
    this.last = message
    this.saidMs = nowMs
    return Effect.logWarning(`no connection to ${this.upstream.name}: ${message}`)
  }

  end(): Effect.Effect<void> {
    if (this.last === undefined) return Effect.void
    this.last = undefined
    return Effect.logInfo(`connected to ${this.upstream.name}`)
  }
}
