/** Datagrams to a socket of the file system, or to one with a name of its own (unix(7)): Node sends none. */
import { AF_UNIX, Errno, type Libc, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "./libc.ts"

/** `sockaddr_un`: the family, and behind it the path. */
const PATH_AT = 2
const PATH_ROOM = 108

/** `full`: the receiver has not taken what was sent before. */
export type Sent = "sent" | "full" | "failed"

/**
 * The address as the kernel reads it. A path ends with a zero; a name that is not in the file system, written with `@`,
 * begins with one.
 *
 * @returns undefined where there is no room for it
 */
export const unixAddress = (name: string): Uint8Array | undefined => {
  const octets = Buffer.from(name, "utf8")
  const isAbstract = name.startsWith("@")
  const length = octets.length + (isAbstract ? 0 : 1)
  if (octets.length === 0 || length > PATH_ROOM) return undefined
  const address = new Uint8Array(PATH_AT + length)
  address[0] = AF_UNIX
  address.set(octets, PATH_AT)
  if (isAbstract) address[PATH_AT] = 0
  return address
}

/** Sends one datagram, without waiting. */
export const sendUnixDatagram = (libc: Libc, name: string, text: string): Sent => {
  const address = unixAddress(name)
  if (address === undefined) return "failed"
  const octets = Buffer.from(text, "utf8")
  const memory = new ArrayBuffer(address.length + octets.length)
  const view = new Uint8Array(memory)
  view.set(address)
  view.set(octets, address.length)
  const at = libc.addressOf(memory)
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) return "failed"
  const isSent =
    libc.connect(fd, at, address.length) === 0 &&
    libc.send(fd, at + address.length, octets.length, MSG_NOSIGNAL) === octets.length
  const errno = isSent ? 0 : libc.errno()
  libc.close(fd)
  return isSent ? "sent" : errno === Errno.EAGAIN ? "full" : "failed"
}
