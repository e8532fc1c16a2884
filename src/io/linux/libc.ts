/**
 * The system calls that Node does not offer, called in the C library by koffi.
 *
 * For 64-bit little-endian Linux, where the layouts of `receive-arena.ts` and `send-arena.ts` hold with glibc and musl
 * alike. Memory is passed as addresses: of an `ArrayBuffer` they stay the same for as long as it lives, and a number is
 * the cheapest argument (a call of `recvmmsg` on an empty socket takes 0.2 µs, the kernel's part included).
 */
import { createRequire } from "node:module"
import { endianness } from "node:os"

export interface Libc {
  readonly socket: (domain: number, type: number, protocol: number) => number
  readonly setsockopt: (fd: number, level: number, name: number, value: number, length: number) => number
  readonly getsockopt: (fd: number, level: number, name: number, value: number, length: number) => number
  readonly fcntl: (fd: number, command: number, argument: number) => number
  readonly bind: (fd: number, address: number, length: number) => number
  readonly getsockname: (fd: number, address: number, length: number) => number
  readonly listen: (fd: number, backlog: number) => number
  readonly connect: (fd: number, address: number, length: number) => number
  readonly accept4: (fd: number, address: number, length: number, flags: number) => number
  readonly recv: (fd: number, buffer: number, length: number, flags: number) => number
  readonly send: (fd: number, buffer: number, length: number, flags: number) => number
  readonly shutdown: (fd: number, how: number) => number
  readonly dup: (fd: number) => number
  readonly dup3: (from: number, to: number, flags: number) => number
  readonly close: (fd: number) => number
  readonly recvmmsg: (fd: number, headers: number, count: number, flags: number, timeout: number) => number
  readonly sendmmsg: (fd: number, headers: number, count: number, flags: number) => number
  readonly epoll_create1: (flags: number) => number
  readonly epoll_ctl: (epoll: number, operation: number, fd: number, event: number) => number
  readonly epoll_wait: (epoll: number, events: number, count: number, timeoutMs: number) => number
  /** Gives memory that is free back to the kernel; undefined where the C library has no such call (musl). */
  readonly malloc_trim: ((pad: number) => number) | undefined
  /** The error of the call before, as a number. */
  readonly errno: () => number
  /** Where the buffer lies, for as long as it lives. */
  readonly addressOf: (buffer: ArrayBuffer) => number
}

interface Koffi {
  readonly load: (path: null) => { readonly func: (signature: string) => unknown }
  readonly errno: () => number
  readonly address: (buffer: ArrayBuffer) => bigint
}

const signatures: { readonly [Name in Exclude<keyof Libc, "malloc_trim" | "errno" | "addressOf">]: string } = {
  socket: "int socket(int, int, int)",
  setsockopt: "int setsockopt(int, int, int, intptr_t, unsigned int)",
  getsockopt: "int getsockopt(int, int, int, intptr_t, intptr_t)",
  // Its third argument is passed like any other on the processors that are supported.
  fcntl: "int fcntl(int, int, int)",
  bind: "int bind(int, intptr_t, unsigned int)",
  getsockname: "int getsockname(int, intptr_t, intptr_t)",
  listen: "int listen(int, int)",
  connect: "int connect(int, intptr_t, unsigned int)",
  accept4: "int accept4(int, intptr_t, intptr_t, int)",
  recv: "intptr_t recv(int, intptr_t, size_t, int)",
  send: "intptr_t send(int, intptr_t, size_t, int)",
  shutdown: "int shutdown(int, int)",
  dup: "int dup(int)",
  dup3: "int dup3(int, int, int)",
  close: "int close(int)",
  recvmmsg: "int recvmmsg(int, intptr_t, unsigned int, int, intptr_t)",
  sendmmsg: "int sendmmsg(int, intptr_t, unsigned int, int)",
  epoll_create1: "int epoll_create1(int)",
  epoll_ctl: "int epoll_ctl(int, int, int, intptr_t)",
  epoll_wait: "int epoll_wait(int, intptr_t, int, int)"
}

const isSupported = process.platform === "linux" && /^(x64|arm64)$/.test(process.arch) && endianness() === "LE"

const load = (): Libc | undefined => {
  if (!isSupported) return undefined
  try {
    const koffi: Koffi = createRequire(import.meta.url)("koffi")
    const program = koffi.load(null)
    const calls = Object.entries(signatures).map(([name, signature]) => [name, program.func(signature)] as const)
    return {
      ...(Object.fromEntries(calls) as unknown as Omit<Libc, "malloc_trim" | "errno" | "addressOf">),
      malloc_trim: optionalCall(program, "int malloc_trim(size_t)") as Libc["malloc_trim"],
      errno: koffi.errno,
      addressOf: (buffer) => Number(koffi.address(buffer))
    }
  } catch {
    // An optional dependency: where it is not installed or cannot be loaded, datagrams go the portable way.
    return undefined
  }
}

const optionalCall = (program: ReturnType<Koffi["load"]>, signature: string): unknown => {
  try {
    return program.func(signature)
  } catch {
    return undefined
  }
}

/** The C library; undefined where it cannot be called. */
export const libc: Libc | undefined = load()

export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_TYPE = 3
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_REUSEPORT = 15
export const SO_DOMAIN = 39
export const IPPROTO_IP = 0
export const IPPROTO_UDP = 17
export const IPPROTO_IPV6 = 41
export const IP_PKTINFO = 8
export const IPV6_V6ONLY = 26
export const IPV6_RECVPKTINFO = 49
export const IPV6_PKTINFO = 50
export const UDP_SEGMENT = 103
export const EPOLL_CTL_ADD = 1
export const EPOLL_CTL_DEL = 2
export const EPOLL_CTL_MOD = 3
export const EPOLLIN = 1
export const EPOLLOUT = 4
export const EPOLLERR = 8
export const EPOLLHUP = 0x10
export const IPPROTO_TCP = 6
export const TCP_NODELAY = 1
export const SHUT_WR = 1
export const MSG_PEEK = 2
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const MSG_NOSIGNAL = 0x4000
export const F_SETFD = 2
export const F_SETFL = 4
export const FD_CLOEXEC = 1
export const O_RDWR = 2
export const O_NONBLOCK = 0o4000

/** Numbers of errors that are acted on. */
export const Errno = {
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  ECONNABORTED: 103
} as const
