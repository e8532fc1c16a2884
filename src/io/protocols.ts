/** What is spoken at a socket where clients ask, and which kind of socket that takes. Imports nothing. */

export const listenProtocols = [
  "udp",
  "tcp",
  /** DNS over TLS (RFC 7858). */
  "tls",
  /** DNS over HTTPS (RFC 8484). */
  "https",
  /** The same without encryption, for a proxy on a trusted network that has ended it. */
  "http"
] as const

export type ListenProtocol = (typeof listenProtocols)[number]

/** A kind of socket, as the kernel tells them apart. */
export type SocketKind = "udp" | "tcp"

export const socketKindOf = (protocol: ListenProtocol): SocketKind => (protocol === "udp" ? "udp" : "tcp")

/** Whether what is spoken there is encrypted. */
export const isEncrypted = (protocol: ListenProtocol): boolean => protocol === "tls" || protocol === "https"

/** Whether messages are the bodies of HTTP there. */
export const isHttp = (protocol: ListenProtocol): boolean => protocol === "https" || protocol === "http"
