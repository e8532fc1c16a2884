/**
 * Who holds a port, as Linux says it in /proc: the socket in the tables of /proc/net, its process by its open files.
 *
 * Other users' processes show their files to root only.
 */
import { readdirSync, readlinkSync } from "node:fs"
import { basename } from "node:path"
import { Result } from "effect"
import { NetAddress } from "effect/net"
import { type Endpoint, isIPv6Endpoint } from "../../io/endpoint.ts"
import { readSystemFile } from "../../io/linux/system-file.ts"

export interface PortHolder {
  readonly pid: number
  /** How it was called: its program, and the script where that is Node. */
  readonly program: string
}

/** TCP sockets that listen are in this state, by `include/net/tcp_states.h`. */
const LISTEN = "0A"

/** The kernel gives its tables piece by piece: one look may miss a socket where others come and go meanwhile. */
const LOOKS = 3

/** The process that holds what `endpoint` would be; undefined where there is none, or it is not to be seen. */
export const portHolder = (protocol: "udp" | "tcp", endpoint: Endpoint): PortHolder | undefined => {
  for (let look = 0; look < LOOKS; look++) {
    const inodes = socketsAt(protocol, endpoint)
    const holder = inodes.size === 0 ? undefined : processWith(inodes)
    if (holder !== undefined) return holder
  }
  return undefined
}

const attempt = <A>(read: () => A, otherwise: A): A => {
  try {
    return read()
  } catch {
    return otherwise
  }
}

/** Of an address as the kernel writes it. */
const isWildcard = (hex: string): boolean => /^0+$/.test(hex)
const MAPPED_PREFIX = kernelHex("::ffff:0.0.0.0").slice(0, 24)

/** Numbers of the sockets at the port whose address is the endpoint's, or where one of the two is the wildcard. */
const socketsAt = (protocol: "udp" | "tcp", endpoint: Endpoint): ReadonlySet<string> => {
  const own = kernelHex(endpoint.address.split("%", 1)[0]!)
  const port = endpoint.port.toString(16).toUpperCase().padStart(4, "0")
  const isIPv6 = isIPv6Endpoint(endpoint)
  const tables = isIPv6 ? [`${protocol}6`] : [protocol, `${protocol}6`]
  const inodes = new Set<string>()
  for (const table of tables) {
    const lines = readSystemFile(`/proc/net/${table}`)?.split("\n") ?? []
    for (const line of lines.slice(1)) {
      const [, local = "", , state, , , , , , inode = "0"] = line.trim().split(/\s+/)
      const [address = "", localPort] = local.split(":")
      if (localPort !== port || (protocol === "tcp" && state !== LISTEN)) continue
      const plain = !isIPv6 && address.startsWith(MAPPED_PREFIX) ? address.slice(24) : address
      if (plain === own || isWildcard(plain) || isWildcard(own)) inodes.add(inode)
    }
  }
  return inodes
}

/** An address as /proc/net writes it: words of 32 bits in network order, printed as the machine's own numbers. */
function kernelHex(address: string): string {
  const parsed = NetAddress.ipFromString(address)
  if (Result.isFailure(parsed)) return ""
  const ip = parsed.success
  const octets = new Uint8Array(
    NetAddress.isIpv4Address(ip) ? NetAddress.ipv4ToOctets(ip) : NetAddress.ipv6ToOctets(ip)
  )
  return Array.from(new Uint32Array(octets.buffer), (word) => word.toString(16).toUpperCase().padStart(8, "0")).join("")
}

const processWith = (inodes: ReadonlySet<string>): PortHolder | undefined => {
  const wanted = new Set([...inodes].map((inode) => `socket:[${inode}]`))
  for (const entry of attempt(() => readdirSync("/proc"), [])) {
    if (!/^\d+$/.test(entry)) continue
    const files = attempt(() => readdirSync(`/proc/${entry}/fd`), [])
    if (!files.some((fd) => wanted.has(attempt(() => readlinkSync(`/proc/${entry}/fd/${fd}`), "")))) continue
    return { pid: Number(entry), program: programOf(entry) }
  }
  return undefined
}

const programOf = (pid: string): string => {
  const [program = "", script] = readSystemFile(`/proc/${pid}/cmdline`)?.split("\0") ?? []
  const name = basename(program)
  return name === "node" && script !== undefined && script !== "" ? `node ${script}` : name
}
