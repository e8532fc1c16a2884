/**
 * Sockets that the service manager has bound and handed over (sd_listen_fds(3)): clients can ask before this server
 * runs, and while it is started anew, and it needs no right to bind a port below 1024.
 *
 * Each is used where `listen` names the address and protocol that it is bound to. They stay open for as long as the
 * process lives: an address that leaves the configuration may come back.
 */
import { Context } from "effect"
import type { Endpoint } from "../../io/endpoint.ts"
import { adoptSocket } from "../../io/linux/foreign-socket.ts"
import type { Libc } from "../../io/linux/libc.ts"
import type { ListenProtocol } from "../../io/protocols.ts"
import { socketName } from "../../listener/inherited-sockets.ts"
import type { Environment } from "./service-manager.ts"

/** The first descriptor that is handed over (SD_LISTEN_FDS_START). */
const FIRST_FD = 3

export interface HandedOver {
  /** By `socketName`. */
  readonly descriptors: ReadonlyMap<string, number>
  /** What was handed over and cannot be used, and why. */
  readonly unusable: ReadonlyArray<string>
}

export const NOTHING_HANDED_OVER: HandedOver = { descriptors: new Map(), unusable: [] }

/** What the supervisor finds instead of binding it. */
export const HandedOverSockets: Context.Reference<HandedOver> = Context.Reference(
  "strand/process/systemd/HandedOverSockets",
  { defaultValue: () => NOTHING_HANDED_OVER }
)

/** How many there are for this process. */
const countIn = ({ LISTEN_FDS, LISTEN_PID }: Environment, pid: number): number =>
  LISTEN_PID === String(pid) && /^[1-9]\d{0,3}$/.test(LISTEN_FDS ?? "") ? Number(LISTEN_FDS) : 0

/**
 * Takes what was handed over; to be called once, before anything else is opened.
 *
 * @param libc undefined where this server moves datagrams the portable way, by sockets that Node opens
 */
export const takeHandedOver = (
  libc: Libc | undefined,
  environment: Environment = process.env,
  pid: number = process.pid
): HandedOver => {
  const count = countIn(environment, pid)
  if (count === 0) return NOTHING_HANDED_OVER
  if (libc === undefined) {
    const unusable = [`${count} sockets of the service manager cannot be used: that takes koffi, and batched datagrams`]
    return { descriptors: new Map(), unusable }
  }
  const names = (environment["LISTEN_FDNAMES"] ?? "").split(":")
  const descriptors = new Map<string, number>()
  const unusable: Array<string> = []
  for (let i = 0; i < count; i++) {
    const socket = adoptSocket(libc, FIRST_FD + i)
    const unit = names[i] === undefined || names[i] === "" ? `descriptor ${FIRST_FD + i}` : names[i]
    if (socket === undefined) {
      unusable.push(`${unit}, a socket of the service manager, cannot be used: it is none of UDP or TCP`)
      continue
    }
    const name = socketName(socket.protocol, socket.endpoint)
    if (socket.isDualStack) {
      unusable.push(
        `${name} (${unit}), a socket of the service manager, cannot be used: it takes IPv4 too; ` +
          "write BindIPv6Only=ipv6-only in its unit, and another address for IPv4"
      )
    } else descriptors.set(name, FIRST_FD + i)
  }
  return { descriptors, unusable }
}

/** The descriptor that is bound there; undefined where none was handed over. */
export const handedOverAt = (
  { descriptors }: HandedOver,
  protocol: ListenProtocol,
  endpoint: Endpoint
): number | undefined => descriptors.get(socketName(protocol, endpoint))

/** What was handed over for addresses that are not in the list: whoever asks there waits for nothing. */
export const unusedAmong = (
  handedOver: HandedOver,
  listening: ReadonlyArray<{ readonly protocol: ListenProtocol; readonly endpoint: Endpoint }>
): ReadonlyArray<string> => {
  const used = new Set(listening.map(({ protocol, endpoint }) => socketName(protocol, endpoint)))
  return [...handedOver.descriptors.keys()]
    .filter((name) => !used.has(name))
    .map((name) => `${name} is a socket of the service manager, and not in listen: nobody answers there`)
}
