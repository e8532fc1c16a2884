/**
 * The upstreams of the configuration, each once however many groups it is in, with the connections to it, and the
 * groups that questions go to.
 *
 * Groups are made anew at each change of the configuration. An upstream that stays in any of them is the same, with its
 * connections and what is known of it; one that is in none any more is let go when what it was asked is over.
 */
import type { SecureContext } from "node:tls"
import { Effect, FiberSet, RcMap } from "effect"
import { answerRulesOf } from "../config/answer-rules.ts"
import type { Policy } from "../config/codec/policy.ts"
import { COMMON_VIEW, viewBy } from "../config/codec/rule.ts"
import { formatUpstream, isNamed, type UpstreamAddress } from "../config/codec/upstream-address.ts"
import type { WeightedUpstream } from "../config/codec/weighted-upstream.ts"
import { Configuration } from "../config/configuration.ts"
import type { SettingName, Settings } from "../config/schema/settings.ts"
import { upstreamNames } from "../config/upstream-names.ts"
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
/** The settings that groups are made of. */
const GROUP_SETTINGS = [
  "upstreams",
  "upstreamPolicy",
  "parallelUpstreams",
  "groups",
  "rules"
] as const satisfies ReadonlyArray<SettingName>

export interface Topology {
  /** The upstreams of all groups, without those that are being closed. */
  readonly upstreams: () => ReadonlyArray<Upstream>
  readonly connections: ReadonlyMap<Upstream, Connections>
  readonly addressResolvers: ReadonlyMap<Upstream, AddressResolver>
  /** The group for questions of the view. */
  readonly groupOf: (view: number) => UpstreamGroup
}

/** @param shared the memory in which all threads find what is known of the upstreams */
export const makeTopology = ({ memory, worker }: SharedUpstreams) =>
  Effect.gen(function* () {
    const configuration = yield* Configuration
    const counters = yield* Counters
    const wheel = yield* TimerWheel
    const clock = yield* LoopClock
    const geography = yield* Geography
    const events = yield* EventLog
    const run = yield* FiberSet.makeRuntime<never>()
    const rules = answerRulesOf(configuration)
    const connections = new Map<Upstream, Connections>()
    const addressResolvers = new Map<Upstream, AddressResolver>()
    /** The slots of the shared memory that this thread has for its upstreams. */
    const taken = new Set<number>()
    const find = findBy(() => configuration.current().bootstrap)
    const trust = yield* configuration.derive(["tlsCaFile"], ({ tlsCaFile }) =>
      Effect.sync(() => new Trust(tlsCaFile?.certificates ?? []))
    )

    const connect = Effect.fnUntraced(function* (upstream: Upstream) {
      const context = { nowMs: wheel.nowMs, words: upstream.state.words }
      const addresses = isNamed(upstream.address)
        ? yield* AddressResolver.followed(upstream.endpoint, context, find)
        : AddressResolver.fixed(upstream.endpoint, context)
      const own = yield* connectionsTo(upstream, {
        wheel,
        onBatch: clock.refresh,
        rules,
        silenceMs: () => upstream.latency.silenceMs(configuration.current().attemptTimeoutMs * SILENCE_SHARE),
        patientMs: () => configuration.current().queryTimeoutSecs * 1000,
        onMismatch: () => counters.add("upstream.strangers"),
        onHeld: () => counters.add("upstream.held"),
        trust: () => trust.current.context,
        addressResolver: addresses
      })
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          addressResolvers.set(upstream, addresses)
          connections.set(upstream, own)
        }),
        () =>
          Effect.sync(() => {
            addressResolvers.delete(upstream)
            connections.delete(upstream)
          })
      )
    })

    const open = Effect.fnUntraced(function* (address: UpstreamAddress) {
      const key = formatUpstream(address)
      const { state, slot } = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const claimed = claimSlot(memory, key, taken)
          taken.add(claimed.slot)
          return claimed
        }),
        (claimed) => Effect.sync(() => taken.delete(claimed.slot))
      )
      const upstream: Upstream = new Upstream(
        address,
        () => configuration.current().trustUpstreamAd,
        state,
        worker,
        (to) => {
          counters.add(to === "Open" ? "upstream.opened" : "upstream.closed")
          run(to === "Open" ? saysBroken(upstream) : Effect.logInfo(`upstream ${upstream.name} answers again`))
        },
        observe(() => upstream.name, counters.countsFor(slot, key), events)
      )
      yield* connect(upstream)
      yield* Effect.acquireRelease(
        Effect.sync(() => byKey.set(key, upstream)),
        () => Effect.sync(() => byKey.delete(key))
      )
      return upstream
    })

    /** Those that are open, by their identity. */
    const byKey = new Map<string, Upstream>()
    const addresses = new Map<string, UpstreamAddress>()
    /** By their identity, each for as long as any configuration that has it is in use. */
    const known = yield* RcMap.make({ lookup: (key: string) => Effect.suspend(() => open(addresses.get(key)!)) })
    const upstreamAt = (address: UpstreamAddress) =>
      Effect.suspend(() => {
        const key = formatUpstream(address)
        addresses.set(key, address)
        return Effect.ensuring(
          RcMap.get(known, key),
          Effect.sync(() => addresses.delete(key))
        )
      })

    /** Groups of this configuration and of those before it whose queries are not over yet. */
    const openGroups = new Set<ReadonlyMap<number, UpstreamGroup>>()
    const groupsOf = Effect.fnUntraced(function* (settings: Pick<Settings, (typeof GROUP_SETTINGS)[number]>) {
      const groupOf = Effect.fnUntraced(function* (policy: Policy, members: ReadonlyArray<WeightedUpstream>) {
        const opened = yield* Effect.forEach(members, (address) =>
          Effect.map(upstreamAt(address), (upstream) => {
            const coordinatesOf =
              address.spot === undefined ? coordinatesOfServer(geography, upstream) : () => address.spot
            return new Member(upstream, address.weight ?? 1, coordinatesOf)
          })
        )
        return new UpstreamGroup(policy, opened, settings.parallelUpstreams, Math.random)
      })
      const common = yield* groupOf(settings.upstreamPolicy, settings.upstreams)
      const byView = new Map<number, UpstreamGroup>()
      for (const { view, policy, upstreams } of settings.groups) byView.set(view, yield* groupOf(policy, upstreams))
      for (const rule of settings.rules) {
        const group = settings.groups.find(({ name }) => name === rule.group)
        if (group !== undefined) byView.set(viewBy(rule, group), byView.get(group.view)!)
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => openGroups.add(byView)),
        () => Effect.sync(() => openGroups.delete(byView))
      )
      const members = [common, ...byView.values()].flatMap((group) => group.members.map(({ upstream }) => upstream))
      return { common, byView, upstreams: [...new Set(members)] }
    })
    const groups = yield* configuration.derive(GROUP_SETTINGS, groupsOf)
    const nameAll = (settings: Pick<Settings, "upstreams" | "groups">): void => {
      for (const [key, name] of upstreamNames(settings)) byKey.get(key)?.rename(name)
    }
    nameAll(configuration.current())
    yield* configuration.follow(["upstreams", "groups"], nameAll)

    /** A question that waited while the configuration changed goes where it would have gone before. */
    const earlierGroupOf = (view: number): UpstreamGroup | undefined => {
      let found: UpstreamGroup | undefined
      for (const byView of openGroups) found = byView.get(view) ?? found
      return found
    }

    const topology: Topology = {
      upstreams: () => groups.current.upstreams,
      connections,
      addressResolvers,
      groupOf: (view) => {
        const { byView, common } = groups.current
        if (view === COMMON_VIEW) return common
        return byView.get(view) ?? earlierGroupOf(view) ?? common
      }
    }
    return topology
  })

/** Certificates of authorities, read when the first connection needs them. */
class Trust {
  private readonly certificates: ReadonlyArray<string>
  private made: SecureContext | undefined

  constructor(certificates: ReadonlyArray<string>) {
    this.certificates = certificates
  }

  get context(): SecureContext {
    this.made ??= trustIn(this.certificates)
    return this.made
  }
}

const saysBroken = ({ name, breaker: { fault } }: Upstream): Effect.Effect<void> =>
  Effect.logWarning(
    `upstream ${name} is left: ${fault === SILENCE ? "it does not answer" : `it answers rcode ${fault}`}`
  )
