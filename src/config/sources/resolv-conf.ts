/**
 * The resolvers that the operating system is set up with, by resolv.conf(5): read, and followed when they change.
 *
 * The file is read here and not by `node:dns`, which drops the scope of link-local addresses (`fe80::1%eth0`). As with
 * the C library, a keyword begins its line and `#` or `;` begins a comment; as with c-ares, an address may have a port,
 * and there may be more than three. From a file that cannot be read there are no resolvers: the caller decides what
 * that means.
 */

import { getServers } from "node:dns"
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs"
import { Effect, Result } from "effect"
import { readBounded } from "../../io/bounded-file.ts"
import { formatEndpoint } from "../../io/endpoint.ts"
import { DNS_PORT, readEndpoint } from "../codec/endpoint.ts"

export const RESOLV_CONF = "/etc/resolv.conf"

const MAX_OCTETS = 64 * 1024
const WITHIN_MS = 2_000
/** Resolvers that are taken from the file at most: each is an upstream. */
const MAX_RESOLVERS = 16

export interface SystemResolvers {
  /** As settings write them: `192.0.2.53`, `127.0.0.1:5353`, `fe80::1%eth0`. */
  readonly addresses: ReadonlyArray<string>
  /** What is written where an address should be, and is none. */
  readonly unreadable: ReadonlyArray<string>
}

/** What a file of this text names. */
export const parseResolvConf = (text: string): SystemResolvers => {
  const addresses = new Set<string>()
  const unreadable: Array<string> = []
  for (const line of text.split(/\r?\n/)) {
    const [, written] = /^\s*nameserver\s+([^\s#;]+)/.exec(line) ?? []
    if (written === undefined) continue
    const address = addressOf(written)
    if (address === undefined) unreadable.push(written)
    else addresses.add(address)
  }
  return { addresses: [...addresses].slice(0, MAX_RESOLVERS), unreadable }
}

const addressOf = (text: string): string | undefined => {
  const endpoint = Result.getOrUndefined(readEndpoint(text, DNS_PORT))
  if (endpoint === undefined || endpoint.port === 0) return undefined
  // The unspecified address means this machine, as for any client of a socket.
  const address = endpoint.address === "0.0.0.0" ? "127.0.0.1" : endpoint.address === "::" ? "::1" : endpoint.address
  return endpoint.port === DNS_PORT ? address : formatEndpoint({ address, port: endpoint.port })
}

/** Where there is no such file, as on Windows: what Node knows. */
const fromNode = (): SystemResolvers => ({ addresses: getServers(), unreadable: [] })

/** The resolvers as they are now. */
export const systemResolvers = (path = RESOLV_CONF): Effect.Effect<SystemResolvers> =>
  Effect.sync(() => {
    const read = Result.try(() => readNow(path))
    if (Result.isSuccess(read)) return parseResolvConf(read.success)
    return process.platform === "win32" ? fromNode() : { addresses: [], unreadable: [] }
  })

/** A regular file's first octets; never waits for the writer of a pipe. */
const readNow = (path: string): string => {
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    if (!fstatSync(fd).isFile()) return ""
    const octets = Buffer.alloc(MAX_OCTETS)
    return octets.toString("utf8", 0, readSync(fd, octets, 0, MAX_OCTETS, 0))
  } finally {
    closeSync(fd)
  }
}

export interface FollowOptions<E, R> {
  /** What is in use: told of only what differs from it. */
  readonly known: ReadonlyArray<string>
  /** Says whether they are used now, or never will be; else it is told of them again. */
  readonly onChange: (addresses: ReadonlyArray<string>) => Effect.Effect<boolean, E, R>
  readonly path?: string
  readonly everyMs?: number
}

const LOOK_EVERY_MS = 2_000

/**
 * Tells of each change of the resolvers, for as long as it runs.
 *
 * The file is looked at every two seconds: that sees one that was written over, one that another was renamed to, what a
 * link points to and what was mounted over it, on every file system. A change is told when two looks have seen the
 * same, so that nothing half written counts; a file without resolvers changes nothing.
 */
export const followSystemResolvers = <E, R>({
  known,
  onChange,
  path = RESOLV_CONF,
  everyMs = LOOK_EVERY_MS
}: FollowOptions<E, R>): Effect.Effect<never, E, R> => {
  let used = known.join()
  let seen = used
  const look = Effect.gen(function* () {
    const text = yield* Effect.option(
      readBounded(path, { maxOctets: MAX_OCTETS, withinMs: WITHIN_MS, onlyFiles: true })
    )
    if (text._tag === "None") return
    const { addresses } = parseResolvConf(text.value.toString("utf8"))
    const now = addresses.join()
    const isStill = now === seen
    seen = now
    if (!isStill || now === used || addresses.length === 0) return
    if (yield* onChange(addresses)) used = now
  })
  return Effect.forever(Effect.delay(look, everyMs))
}
