/** Sockets of our own: opened, set up, bound and connected without Node (socket(7), udp(7), ipv6(7)). */
import { getSystemErrorMap } from "node:util"
import { Effect } from "effect"
import { SocketError } from "../datagram.ts"
import { type Endpoint, formatEndpoint, isIPv6Endpoint, isWildcard } from "../endpoint.ts"
import {
  AF_INET,
  AF_INET6,
  Errno,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  type Libc,
  MSG_DONTWAIT,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET
} from "./libc.ts"
import { ADDRESS_ROOM, addressAt, portAt, writeSocketAddress } from "./socket-address.ts"

/** Octets asked of the kernel for datagrams that wait; it may give less (net.core.rmem_max). */
const RECEIVE_BUFFER = 4 << 20
const SEND_BUFFER = 4 << 20

const SO_MEMINFO = 55
/** Octets of what it tells: nine numbers, the first the memory of what waits, the last how many datagrams were dropped. */
const MEMORY_FIGURES = 36

/** From which nobody sends (RFC 863). */
const DISCARD_PORT = 9

/** The system's words for an error's number. */
export const describeErrno = (errno: number): string => {
  const [name, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, "unknown error"]
  return `${name}: ${text}`
}

/** What came to a socket and is not received. */
export interface SocketQueue {
  /** How many datagrams the kernel has dropped since the socket was opened, for want of room or by a program. */
  readonly dropped: number
  /** Octets of memory that those take that wait. */
  readonly octets: number
}

/** Integers and addresses as the kernel reads them, one call at a time. */
export class Arguments {
  private readonly memory = new ArrayBuffer(ADDRESS_ROOM + MEMORY_FIGURES + 4)
  private readonly octets = new Uint8Array(this.memory)
  private readonly view = new DataView(this.memory)
  private readonly address: number
  private readonly libc: Libc

  constructor(libc: Libc) {
    this.libc = libc
    this.address = libc.addressOf(this.memory)
  }

  setOption(fd: number, level: number, name: number, value: number): number {
    this.view.setInt32(0, value, true)
    return this.libc.setsockopt(fd, level, name, this.address, 4)
  }

  /** An integer; undefined where the socket has no such option. */
  option(fd: number, level: number, name: number): number | undefined {
    this.view.setUint32(ADDRESS_ROOM, 4, true)
    const isThere = this.libc.getsockopt(fd, level, name, this.address, this.address + ADDRESS_ROOM) === 0
    return isThere ? this.view.getInt32(0, true) : undefined
  }

  /** What has come to it and was not received (socket(7): SO_MEMINFO); nothing where the kernel does not say. */
  queueOf(fd: number): SocketQueue {
    this.view.setUint32(ADDRESS_ROOM + MEMORY_FIGURES, MEMORY_FIGURES, true)
    const isThere =
      this.libc.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, this.address, this.address + ADDRESS_ROOM + MEMORY_FIGURES) === 0
    if (!isThere) return { dropped: 0, octets: 0 }
    return { dropped: this.view.getUint32(MEMORY_FIGURES - 4, true), octets: this.view.getUint32(0, true) }
  }

  bind(fd: number, endpoint: Endpoint): number {
    return this.libc.bind(fd, this.address, writeSocketAddress(this.octets, 0, endpoint))
  }

  connect(fd: number, endpoint: Endpoint): number {
    return this.libc.connect(fd, this.address, writeSocketAddress(this.octets, 0, endpoint))
  }

  /**
   * Has a datagram socket that is bound to one address take nothing from anybody, by another port of that very address as
   * its only peer. It can still send to all, each time to an address that is named.
   */
  connectToItself(fd: number): void {
    const { address } = this.localEndpoint(fd)
    this.connect(fd, { address, port: DISCARD_PORT })
  }

  /** Has it take from all again (connect(2): AF_UNSPEC). */
  disconnect(fd: number): void {
    this.octets.fill(0, 0, ADDRESS_ROOM)
    this.libc.connect(fd, this.address, ADDRESS_ROOM)
  }

  /** Discards what a connected socket has received: while it was only bound, any sender could reach it. */
  discardReceived(fd: number): void {
    while (this.libc.recv(fd, this.address, 1, MSG_DONTWAIT) >= 0) {}
  }

  /** Where the socket is bound to. */
  localEndpoint(fd: number): Endpoint {
    this.view.setUint32(ADDRESS_ROOM, ADDRESS_ROOM, true)
    this.libc.getsockname(fd, this.address, this.address + ADDRESS_ROOM)
    return { address: addressAt(this.octets, 0), port: portAt(this.octets, 0) }
  }
}

/** Opens a socket and takes it through `steps`, each a call that returns 0; closes it where one fails. */
const open = (
  libc: Libc,
  endpoint: Endpoint,
  type: number,
  steps: (fd: number) => boolean
): Effect.Effect<number, SocketError> =>
  Effect.suspend(() => {
    const domain = isIPv6Endpoint(endpoint) ? AF_INET6 : AF_INET
    const fd = libc.socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd >= 0 && steps(fd)) return Effect.succeed(fd)
    const errno = libc.errno()
    if (fd >= 0) libc.close(fd)
    return Effect.fail(failed(errno, endpoint))
  })

const failed = (errno: number, endpoint: Endpoint): SocketError => {
  const isExhaustion = errno === Errno.EMFILE || errno === Errno.ENFILE
  const message = `${describeErrno(errno)} ${formatEndpoint(endpoint)}`
  return new SocketError({ endpoint: formatEndpoint(endpoint), message, isExhaustion })
}

/** Another descriptor of a socket that is bound to `endpoint`. */
export const duplicate = (libc: Libc, fd: number, endpoint: Endpoint): Effect.Effect<number, SocketError> =>
  Effect.suspend(() => {
    const copy = libc.dup(fd)
    return copy >= 0 ? Effect.succeed(copy) : Effect.fail(failed(libc.errno(), endpoint))
  })

/** A UDP socket bound to `local`; `shared` lets others of this process bind to it too and share what comes. */
export const openDatagramSocket = (
  libc: Libc,
  args: Arguments,
  local: Endpoint,
  shared: boolean
): Effect.Effect<number, SocketError> =>
  open(libc, local, SOCK_DGRAM, (fd) => {
    prepare(args, fd, local)
    if (shared) args.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)
    tellsTarget(args, fd, local)
    return args.bind(fd, local) === 0
  })

/** Has each datagram say which address it was sent to, where the socket is bound to all of them. */
export const tellsTarget = (args: Arguments, fd: number, local: Endpoint): void => {
  if (!isWildcard(local)) return
  if (isIPv6Endpoint(local)) args.setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
  else args.setOption(fd, IPPROTO_IP, IP_PKTINFO, 1)
}

/** A UDP socket that exchanges datagrams with `remote` only, from the port given. */
export const openConnectedSocket = (
  libc: Libc,
  args: Arguments,
  remote: Endpoint,
  port: number
): Effect.Effect<number, SocketError> =>
  open(libc, remote, SOCK_DGRAM, (fd) => {
    prepare(args, fd, remote)
    const local = { address: isIPv6Endpoint(remote) ? "::" : "0.0.0.0", port }
    if (args.bind(fd, local) !== 0 || args.connect(fd, remote) !== 0) return false
    args.discardReceived(fd)
    return true
  })

/** A TCP socket that listens at `local`; `shared` lets others of this process listen there too. */
export const openStreamListener = (
  libc: Libc,
  args: Arguments,
  local: Endpoint,
  backlog: number,
  shared: boolean
): Effect.Effect<number, SocketError> =>
  open(libc, local, SOCK_STREAM, (fd) => {
    if (shared) args.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1)
    return bindStream(args, fd, local) && libc.listen(fd, backlog) === 0
  })

/** A TCP socket that is bound and does not listen: nobody can connect to it. */
export const openBoundStream = (libc: Libc, args: Arguments, local: Endpoint): Effect.Effect<number, SocketError> =>
  open(libc, local, SOCK_STREAM, (fd) => bindStream(args, fd, local))

const bindStream = (args: Arguments, fd: number, local: Endpoint): boolean => {
  args.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
  if (isIPv6Endpoint(local)) args.setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
  return args.bind(fd, local) === 0
}

const prepare = (args: Arguments, fd: number, endpoint: Endpoint): void => {
  args.setOption(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)
  args.setOption(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER)
  if (isIPv6Endpoint(endpoint)) args.setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
}
