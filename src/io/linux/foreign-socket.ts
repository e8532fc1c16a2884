/** Sockets that another program has opened and bound, and handed to this one: a service manager, above all. */
import { type Endpoint, isIPv6Endpoint, isWildcard } from "../endpoint.ts"
import { BACKLOG } from "../stream.ts"
import {
  AF_INET,
  AF_INET6,
  F_SETFD,
  F_SETFL,
  FD_CLOEXEC,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  type Libc,
  O_NONBLOCK,
  O_RDWR,
  SO_DOMAIN,
  SO_TYPE,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET
} from "./libc.ts"
import { Arguments, tellsTarget } from "./socket.ts"

export interface ForeignSocket {
  readonly protocol: "udp" | "tcp"
  /** Where it is bound. */
  readonly endpoint: Endpoint
  /** It is bound to all addresses of IPv6, and takes what comes by IPv4 too. */
  readonly isDualStack: boolean
}

const protocols = new Map<number | undefined, ForeignSocket["protocol"]>([
  [SOCK_DGRAM, "udp"],
  [SOCK_STREAM, "tcp"]
])

/**
 * Sets the descriptor up like a socket of our own: it never blocks, is closed when another program is run, and listens.
 *
 * The sizes of its buffers stay: who opened it may have been allowed more than this process is.
 *
 * @returns undefined where it is no socket of UDP or TCP
 */
export const adoptSocket = (libc: Libc, fd: number): ForeignSocket | undefined => {
  const args = new Arguments(libc)
  const domain = args.option(fd, SOL_SOCKET, SO_DOMAIN)
  const protocol = protocols.get(args.option(fd, SOL_SOCKET, SO_TYPE))
  if (protocol === undefined || (domain !== AF_INET && domain !== AF_INET6)) return undefined
  libc.fcntl(fd, F_SETFD, FD_CLOEXEC)
  libc.fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK)
  const endpoint = args.localEndpoint(fd)
  if (protocol === "udp") tellsTarget(args, fd, endpoint)
  else libc.listen(fd, BACKLOG)
  const isDualStack =
    isIPv6Endpoint(endpoint) && isWildcard(endpoint) && args.option(fd, IPPROTO_IPV6, IPV6_V6ONLY) === 0
  return { protocol, endpoint, isDualStack }
}
