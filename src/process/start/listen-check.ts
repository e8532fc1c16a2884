/**
 * Tries to listen at all addresses of the configuration before anything is started, so that all failures are reported
 * at once, each with its reason and its remedy.
 *
 * Each address is bound for a moment without SO_REUSEPORT, by which worker threads share a port: another server of the
 * same user that shares it too would silently get a part of the clients.
 */
import { createSocket } from "node:dgram"
import { createServer } from "node:net"
import { networkInterfaces } from "node:os"
import { Effect, Schema } from "effect"
import type { ListenAddress } from "../../config/codec/listen-address.ts"
import type { SocketError } from "../../io/datagram.ts"
import { type Endpoint, formatEndpoint, isIPv6Endpoint, isWildcard } from "../../io/endpoint.ts"
import { type Libc, libc } from "../../io/linux/libc.ts"
import { Arguments, openBoundStream } from "../../io/linux/socket.ts"
import { readSystemFile } from "../../io/linux/system-file.ts"
import { type ListenProtocol, type SocketKind, socketKindOf } from "../../io/protocols.ts"
import { type HandedOver, handedOverAt, NOTHING_HANDED_OVER } from "../systemd/handed-over.ts"
import { portHolder } from "./port-holder.ts"

/** Clients cannot be listened for. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", { message: Schema.String }) {}

/** Tries all addresses but those that are bound already; fails with what is wrong with each. */
export const checkListening = (
  addresses: ReadonlyArray<ListenAddress>,
  handedOver: HandedOver = NOTHING_HANDED_OVER
): Effect.Effect<void, CannotListen> =>
  Effect.gen(function* () {
    const failures: Array<string> = []
    for (const { protocols, endpoint } of addresses) {
      const byReason = new Map<string, Array<ListenProtocol>>()
      for (const protocol of protocols) {
        if (handedOverAt(handedOver, protocol, endpoint) !== undefined) continue
        const reason = coveredBy(addresses, protocol, endpoint) ?? (yield* whyNot(protocol, endpoint))
        if (reason === undefined) continue
        byReason.set(reason, [...(byReason.get(reason) ?? []), protocol])
      }
      for (const [reason, which] of byReason) {
        failures.push(`${formatEndpoint(endpoint)} (${which.map((one) => one.toUpperCase()).join(" and ")}): ${reason}`)
      }
    }
    if (failures.length === 0) return
    return yield* new CannotListen({ message: [listed(failures), ...handedOver.unusable].join("\n") })
  })

/** The same for a socket that could not be opened although the address was free a moment ago. */
export const explainFailure = (error: SocketError): CannotListen => {
  const code = codeIn(error.message)
  const endpoint = endpointIn(error.endpoint)
  const reason = code === undefined || endpoint === undefined ? "" : `: ${reasonFor(code, undefined, endpoint)}`
  return new CannotListen({ message: listed([`${error.message}${reason}`]) })
}

const codeIn = (message: string): string | undefined => /\bE[A-Z0-9]{3,}\b/.exec(message)?.[0]

const listed = (failures: ReadonlyArray<string>): string =>
  failures.length === 1
    ? `listen: ${failures[0]}`
    : `listen: ${failures.length} addresses cannot be listened at:\n${failures.map((line) => `  ${line}`).join("\n")}`

const endpointIn = (text: string): Endpoint | undefined => {
  const [, address, port] = /^\[?(.*?)\]?:(\d+)$/.exec(text) ?? []
  return address === undefined ? undefined : { address, port: Number(port) }
}

/** An address of all interfaces takes what comes for one of them too: the kernel would refuse one of the two. */
const coveredBy = (
  addresses: ReadonlyArray<ListenAddress>,
  protocol: ListenProtocol,
  { address, port }: Endpoint
): string | undefined => {
  const own: Endpoint = { address, port }
  if (port === 0 || isWildcard(own)) return undefined
  const covering = addresses.find(
    ({ protocols, endpoint }) =>
      protocols.some((one) => socketKindOf(one) === socketKindOf(protocol)) &&
      endpoint.port === port &&
      isWildcard(endpoint) &&
      isIPv6Endpoint(endpoint) === isIPv6Endpoint(own)
  )
  return covering === undefined
    ? undefined
    : `${formatEndpoint(covering.endpoint)}, which is in the list too, covers it`
}

const whyNot = (protocol: ListenProtocol, endpoint: Endpoint): Effect.Effect<string | undefined> =>
  Effect.map(tryToBind(protocol, endpoint), (code) =>
    code === undefined ? undefined : `${code}: ${reasonFor(code, socketKindOf(protocol), endpoint)}`
  )

/** The code of the error that binding came to; undefined where it went well. */
const tryToBind = (protocol: ListenProtocol, endpoint: Endpoint): Effect.Effect<string | undefined> =>
  protocol === "udp" || libc === undefined ? tryByNode(protocol, endpoint) : tryStream(libc, endpoint)

/** Without listening: whoever waits for the server to be there would take the trial for it, and ask nobody. */
const tryStream = (libc: Libc, endpoint: Endpoint): Effect.Effect<string | undefined> =>
  Effect.match(openBoundStream(libc, new Arguments(libc), endpoint), {
    onSuccess: (fd) => {
      libc.close(fd)
      return undefined
    },
    onFailure: ({ message }) => codeIn(message) ?? message
  })

const tryByNode = (protocol: ListenProtocol, endpoint: Endpoint): Effect.Effect<string | undefined> =>
  Effect.callback((resume) => {
    const { address, port } = endpoint
    const isIPv6 = isIPv6Endpoint(endpoint)
    const failed = (error: NodeJS.ErrnoException): void => resume(Effect.succeed(error.code ?? error.message))
    if (protocol === "udp") {
      const socket = createSocket({ type: isIPv6 ? "udp6" : "udp4", ipv6Only: isIPv6 })
      socket.once("error", failed)
      socket.bind({ address, port, exclusive: true }, () => {
        socket.close(() => resume(Effect.succeed(undefined)))
      })
    } else {
      const server = createServer((connection) => connection.destroy())
      server.once("error", failed)
      server.listen({ host: address, port, ipv6Only: isIPv6, exclusive: true }, () => {
        server.close(() => resume(Effect.succeed(undefined)))
      })
    }
  })

/** What the error's code means here, and what can be done. */
const reasonFor = (code: string, kind: SocketKind | undefined, endpoint: Endpoint): string => {
  switch (code) {
    case "EADDRINUSE":
      return inUse(kind, endpoint)
    case "EACCES":
    case "EPERM":
      return notAllowed(endpoint.port)
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
    case "EINVAL":
    case "ENODEV":
      return notOurs(endpoint)
    case "EMFILE":
    case "ENFILE":
      return "no descriptor is left: raise the limit (`ulimit -n`, LimitNOFILE= in a unit of systemd)"
    default:
      return "the system refuses it"
  }
}

const inUse = (kind: SocketKind | undefined, endpoint: Endpoint): string => {
  const holder =
    kind === undefined ? (portHolder("udp", endpoint) ?? portHolder("tcp", endpoint)) : portHolder(kind, endpoint)
  if (holder === undefined) {
    const shown = `\`ss -lunpt 'sport = :${endpoint.port}'\` as root shows which`
    return `in use by another program (${shown}): end it, or listen elsewhere`
  }
  const who = `in use by ${holder.program} (process ${holder.pid})`
  return holder.program === "systemd-resolved"
    ? `${who}: set DNSStubListener=no in resolved.conf(5), or listen at one address instead of all`
    : `${who}: end it, or listen elsewhere`
}

const notAllowed = (port: number): string => {
  const free = unprivilegedFrom()
  if (port === 0 || port >= free) return "this user may not listen there"
  return (
    `ports below ${free} need a privilege: \`sysctl net.ipv4.ip_unprivileged_port_start=${port}\`, or ` +
    `\`setcap cap_net_bind_service=+ep ${process.execPath}\`, or AmbientCapabilities=CAP_NET_BIND_SERVICE in a unit of ` +
    `systemd; or listen at a port from ${free} on`
  )
}

/** The first port that needs no privilege (ip(7)). */
const unprivilegedFrom = (): number => Number(readSystemFile("/proc/sys/net/ipv4/ip_unprivileged_port_start") ?? 1024)

const notOurs = ({ address }: Endpoint): string => {
  const isIPv6 = address.includes(":")
  const [plain = "", scope] = address.split("%", 2)
  const isOff = readSystemFile("/proc/sys/net/ipv6/conf/all/disable_ipv6")?.trim() !== "0"
  if (isIPv6 && isOff && process.platform === "linux") {
    return "IPv6 is switched off on this system"
  }
  const interfaces = networkInterfaces()
  if (scope !== undefined && !/^\d+$/.test(scope) && interfaces[scope] === undefined) {
    return `there is no interface ${scope} that is up`
  }
  if (scope === undefined && /^fe[89ab]/i.test(plain)) {
    const names = Object.entries(interfaces).flatMap(([name, own]) =>
      own?.some((one) => one.address === plain) ? [name] : []
    )
    return `a link-local address needs its interface behind it: ${plain}%${names[0] ?? "eth0"}`
  }
  return "no interface of this machine that is up has this address"
}
