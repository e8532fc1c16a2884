/**
 * Sockets that the supervisor has bound for this thread: what waits in them when the thread dies is answered by the
 * next one.
 */
import { Context } from "effect"
import { type Endpoint, formatEndpoint } from "../io/endpoint.ts"
import { type ListenProtocol, socketKindOf } from "../io/protocols.ts"

/** A socket, for a thread that did not open it. */
export interface GivenSocket {
  readonly protocol: ListenProtocol
  /** As the configuration has it. */
  readonly endpoint: Endpoint
  readonly fd: number
}

/**
 * Which socket of the configuration it is: at one address there is one of each kind. Port 0 is a port of its own for each
 * protocol.
 */
export const socketName = (protocol: ListenProtocol, endpoint: Endpoint): string =>
  `${endpoint.port === 0 ? protocol : socketKindOf(protocol)}://${formatEndpoint(endpoint)}`

/** Takes the descriptor of a `socketName`; undefined where the thread binds that socket itself. */
export const InheritedSockets: Context.Reference<(name: string) => number | undefined> = Context.Reference<
  (name: string) => number | undefined
>("strand/listener/InheritedSockets", { defaultValue: () => () => undefined })

/** Whether other threads bind to the same addresses and share what comes (SO_REUSEPORT). */
export const SharesPorts: Context.Reference<boolean> = Context.Reference("strand/listener/SharesPorts", {
  defaultValue: () => false
})
