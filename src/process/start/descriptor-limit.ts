/**
 * The limit on file descriptors, compared with what the settings may need: at the start, with a warning where it is too
 * low.
 *
 * Where descriptors run out, clients' TCP connections must not take the last ones: without sockets to upstreams no
 * query could be answered. So fewer connections are allowed then, where even that is not enough, fewer resolvers, and
 * at last fewer threads.
 */
import { readdirSync } from "node:fs"
import type { Loaded } from "../../config/configuration.ts"
import type { SettingName, Settings } from "../../config/schema/settings.ts"
import { readSystemFile } from "../../io/linux/system-file.ts"

/** Descriptors of a thread's own: its event loop, its timers, what wakes it. */
const PER_WORKER = 14
/** Files that are read now and then, exports of traces, connections to Redis and to the bootstrap's servers. */
const OTHERS = 8
/** A resolver's socket to an upstream, and the one before it, on which answers are still awaited. */
const PER_RESOLVER = 2
/** Connections to one upstream that a thread has at once. */
const CONNECTIONS_PER_UPSTREAM = 8

/** Descriptors that this process may have open; undefined where the system does not say. */
export const descriptorLimit = (): number | undefined => {
  const [, limit] = /^Max open files\s+(\S+)/m.exec(readSystemFile("/proc/self/limits") ?? "") ?? []
  return limit === undefined ? undefined : limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit)
}

/** Descriptors that this process has open. */
export const descriptorsOpen = (): number => {
  try {
    return readdirSync("/proc/self/fd").length
  } catch {
    return 0
  }
}

/** What is to be opened besides what is open, for these settings. */
interface Needs {
  /** Without which nothing goes: threads, listeners. */
  readonly fixed: number
  readonly toUpstreams: number
  readonly tcpClients: number
}

const needsOf = (settings: Settings): Needs => {
  const { workers } = settings
  const listeners = settings.listen.reduce((count, { protocols }) => count + protocols.length, 0)
  // Each thread has duplicates of what the supervisor has bound for it.
  const listening = 2 * listeners * workers
  return {
    fixed: OTHERS + PER_WORKER * workers + listening,
    toUpstreams: upstreamsIn(settings) * (settings.actorPoolSize * PER_RESOLVER + workers * CONNECTIONS_PER_UPSTREAM),
    tcpClients: settings.maxTcpConnections
  }
}

const upstreamsIn = ({ upstreams, groups }: Settings): number =>
  groups.reduce((count, group) => count + group.upstreams.length, upstreams.length)

/** With one connection of a client, one resolver, and one connection to each upstream for each thread. */
const leastOf = (settings: Settings): number => {
  const upstreams = upstreamsIn(settings)
  return needsOf(settings).fixed + settings.workers * (1 + upstreams * PER_RESOLVER + upstreams)
}

/** So many threads that each can ask all upstreams; one in any case. */
const workersWithin = (settings: Settings, descriptors: number): number => {
  let { workers } = settings
  while (workers > 1 && leastOf({ ...settings, workers }) > descriptors) workers--
  return workers
}

/**
 * The configuration as it is kept to: with fewer connections, resolvers and threads where the limit asks for it, and a
 * warning.
 *
 * @param limit on descriptors
 * @param open descriptors that are open already
 */
export const fitToDescriptors = (loaded: Loaded, limit: number | undefined, open: number): Loaded => {
  const { settings } = loaded
  const needs = needsOf(settings)
  const needed = open + needs.fixed + needs.toUpstreams + needs.tcpClients
  if (limit === undefined || limit >= needed) return loaded
  const workers = workersWithin(settings, limit - open)
  const free = Math.max(0, limit - open - needsOf({ ...settings, workers }).fixed)
  const tcpClients = Math.max(workers, Math.min(needs.tcpClients, Math.max(free - needs.toUpstreams, free >> 1)))
  const perResolver = upstreamsIn(settings) * PER_RESOLVER
  const resolvers = Math.max(workers, Math.min(settings.actorPoolSize, Math.floor((free - tcpClients) / perResolver)))
  const fewer: Array<readonly [SettingName, number, string]> = []
  if (tcpClients < settings.maxTcpConnections) fewer.push(["maxTcpConnections", tcpClients, "max_tcp_connections"])
  if (resolvers < settings.actorPoolSize) fewer.push(["actorPoolSize", resolvers, "actor_pool_size"])
  if (workers < settings.workers) fewer.push(["workers", workers, "workers"])
  const kept = fewer.map(([, count, key]) => `${key}: ${count}`).join(", ")
  return {
    settings: { ...settings, workers, maxTcpConnections: tcpClients, actorPoolSize: resolvers },
    written: { ...loaded.written, ...Object.fromEntries(fewer.map(([name, count]) => [name, String(count)])) },
    given: new Map([
      ...loaded.given,
      ...fewer.map(([name, count]) => [name, { ...loaded.given.get(name)!, value: String(count) }] as const)
    ]),
    warnings: [
      ...loaded.warnings,
      `${needed} file descriptors may be needed (max_tcp_connections: ${settings.maxTcpConnections}, actor_pool_size: ` +
        `${settings.actorPoolSize}, upstreams: ${upstreamsIn(settings)}, workers: ${settings.workers}), and this process may open ${limit}: ` +
        `raise the limit (ulimit -n ${needed}, systemd: LimitNOFILE=${needed}) or lower these settings; until then ${kept}`
    ]
  }
}
