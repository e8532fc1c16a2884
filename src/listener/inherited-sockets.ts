/**
 * Sockets that the supervisor has bound for this thread: what waits in them when the thread dies is answered by the
 * next one.
 */
import { Context } from "effect"
import type { ListenAddress } from "../config/codec/listen-address.ts"
import { formatEndpoint } from "../io/endpoint.ts"

/** The name of a socket: the index of its address in the configuration, protocol and address. */
export const socketName = (index: number, protocol: "udp" | "tcp", { endpoint }: ListenAddress): string =>
  `${index}/${protocol}://${formatEndpoint(endpoint)}`

/** Takes the descriptor of a `socketName`; undefined where the thread binds that socket itself. */
export const InheritedSockets: Context.Reference<(name: string) => number | undefined> = Context.Reference<
  (name: string) => number | undefined
>("strand/listener/InheritedSockets", { defaultValue: () => () => undefined })

/** Whether other threads bind to the same addresses and share what comes (SO_REUSEPORT). */
export const SharesPorts: Context.Reference<boolean> = Context.Reference("strand/listener/SharesPorts", {
  defaultValue: () => false
})
