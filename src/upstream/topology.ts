/**
 * The upstreams of the configuration, each once however many groups it is in, with the connections to it, and the
 * groups that questions go to.
 *
 * The common group, for questions that no rule covers, changes when the system's resolvers do. An upstream that is in
 * no group any more is closed when all that it was asked is over.
 */
import type { SecureContext } from "node:tls"
import { Effect, Exit, FiberSet, Scope } from "effect"
import type { Policy } from "../config/codec/policy.ts"
import { viewBy } from "../config/codec/rule.ts"
import { formatUpstream, isNamed, nameUpstream } from "../config/codec/upstream-address.ts"
import type { WeightedUpstream } from "../config/codec/weighted-upstream.ts"
import { Configuration } from "../config/configuration.ts"
import { LiveUpstreams } from "../config/live-upstreams.ts"
import { ttlBoundsOf } from "../config/ttl-bounds.ts"
import { Geography } from "../geo/geography.ts"
import { trustIn } from "../io/tls.ts"
import { LoopClock } from "../runtime/loop-clock.ts"
import { TimerWheel } from "../runtime/timer-wheel.ts"
import { Counters } from "../telemetry/counters.ts"
import { EventLog } from "../telemetry/event-log.ts"
import { claimSlot, type SharedUpstreams, SILENCE } from "./health/shared-state.ts"
import { observe } from "./observer.ts"
import { Member, UpstreamGroup } from "./select/group.ts"
import { coordinatesOfServer } from "./select/upstream-location.ts"
import { AddressResolver, findBy } from "./transport/address-resolver.ts"
import type { Connections } from "./transport/connections.ts"
import { connectionsTo } from "./transport/dialer.ts"
import { Upstream } from "./upstream.ts"

/**
 * The part of the attempt's timeout after which a silent connection is given up: before the next attempt starts, which
 * then gets another connection.
 */
const SILENCE_SHARE = 0.75
/** After a query's deadline and this time, nothing of what an upstream was asked is under way. */
const LET_GO_AFTER_MS = 1_000

export interface Topology {
  /** The upstreams of all groups, without those that are being closed. */
  readonly upstreams: () => ReadonlyArray<Upstream>
  readonly connections: ReadonlyMap<Upstream, Connections>
  readonly addressResolvers: ReadonlyMap<Upstream, AddressResolver>
  /** The group for questions of the view. */
  readonly groupOf: (view: number) => UpstreamGroup
}

interface Known {
  readonly upstream: Upstream
  readonly slot: number
  readonly scope: Scope.Closeable
}

/** @param shared the memory in which all threads find what is known of the upstreams */
export const makeTopology = ({ memory, worker }: SharedUpstreams) =>
  Effect.gen(function* () {
    const config = yield* Configuration
    const counters = yield* Counters
    const wheel = yield* TimerWheel
    const clock = yield* LoopClock
    const geography = yield* Geography
    const events = yield* EventLog
    const live = yield* LiveUpstreams
    const scope = yield* Effect.scope
    const run = yield* FiberSet.makeRuntime<never>()
    const ttl = ttlBoundsOf(config)
    const known = new Map<string, Known>()
    const connections = new Map<Upstream, Connections>()
    const addressResolvers = new Map<Upstream, AddressResolver>()
    const find = findBy(() => live.current().bootstrap)
    let trust: SecureContext | undefined

    const connect = Effect.fnUntraced(function* (upstream: Upstream) {
      const context = { nowMs: wheel.nowMs, words: upstream.state.words }
      const addresses = isNamed(upstream.address)
        ? yield* AddressResolver.followed(upstream.endpoint, context, find)
        : AddressResolver.fixed(upstream.endpoint, context)
      addressResolvers.set(upstream, addresses)
      const own = yield* connectionsTo(upstream, {
        wheel,
        onBatch: clock.refresh,
        ttl,
        silenceMs: () => upstream.latency.silenceMs(config.attemptTimeoutMs * SILENCE_SHARE),
        patientMs: config.queryTimeoutSecs * 1000,
        onMismatch: () => counters.add("upstream.strangers"),
        onHeld: () => counters.add("upstream.held"),
        trust: () => {
          trust ??= trustIn(config.tlsCaFile?.certificates ?? [])
          return trust
        },
        addressResolver: addresses
      })
      connections.set(upstream, own)
    })

    const upstreamAt = Effect.fnUntraced(function* (address: WeightedUpstream) {
      const key = formatUpstream(address)
      const present = known.get(key)
      if (present !== undefined) return present.upstream
      const taken = new Set([...known.values()].map(({ slot }) => slot))
      const { state, slot } = claimSlot(memory, key, taken)
      const name = nameUpstream(address)
      const upstream: Upstream = new Upstream(
        address,
        config.trustUpstreamAd,
        state,
        worker,
        (to) => {
          counters.add(to === "Open" ? "upstream.opened" : "upstream.closed")
          run(to === "Open" ? saysBroken(upstream) : Effect.logInfo(`upstream ${upstream.name} answers again`))
        },
        observe(name, counters.countsFor(slot, name), events.debug)
      )
      const own = yield* Scope.fork(scope)
      yield* Scope.provide(connect(upstream), own)
      known.set(key, { upstream, slot, scope: own })
      return upstream
    })

    const groupOf = Effect.fnUntraced(function* (policy: Policy, addresses: ReadonlyArray<WeightedUpstream>) {
      const members = yield* Effect.forEach(addresses, (address) =>
        Effect.map(upstreamAt(address), (upstream) => {
          const coordinatesOf =
            address.spot === undefined ? coordinatesOfServer(geography, upstream) : () => address.spot
          return new Member(upstream, address.weight ?? 1, coordinatesOf)
        })
      )
      return new UpstreamGroup(policy, members, config.parallelUpstreams, Math.random)
    })

    let common = yield* groupOf(config.upstreamPolicy, config.upstreams)
    const groups = new Map<number, UpstreamGroup>()
    for (const { view, policy, upstreams } of config.groups) groups.set(view, yield* groupOf(policy, upstreams))
    for (const rule of config.rules) {
      const group = config.groups.find(({ name }) => name === rule.group)
      if (group !== undefined) groups.set(viewBy(rule, group), groups.get(group.view)!)
    }

    const isMember = (upstream: Upstream): boolean =>
      [common, ...groups.values()].some(({ members }) => members.some((member) => member.upstream === upstream))

    /** Closes upstreams that are in no group any more, unless they have come back meanwhile. */
    const letGo = Effect.suspend(() =>
      Effect.forEach(
        [...known].filter(([, { upstream }]) => !isMember(upstream)),
        ([key, { scope: own, upstream }]) => {
          known.delete(key)
          connections.delete(upstream)
          addressResolvers.delete(upstream)
          return Scope.close(own, Exit.void)
        },
        { discard: true }
      )
    )
    yield* live.follow(({ upstreams }) =>
      Effect.gen(function* () {
        common = yield* groupOf(config.upstreamPolicy, upstreams)
        run(Effect.delay(letGo, config.queryTimeoutSecs * 1000 + LET_GO_AFTER_MS))
      })
    )

    const topology: Topology = {
      upstreams: () => Array.from(known.values(), ({ upstream }) => upstream).filter(isMember),
      connections,
      addressResolvers,
      groupOf: (view) => groups.get(view) ?? common
    }
    return topology
  })

const saysBroken = ({ name, breaker: { fault } }: Upstream): Effect.Effect<void> =>
  Effect.logWarning(
    `upstream ${name} is left: ${fault === SILENCE ? "it does not answer" : `it answers rcode ${fault}`}`
  )
