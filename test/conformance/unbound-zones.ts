/** The zones of the comparison with Unbound: quite different from each other, the same in every run. */
import { makeZone, type Zone } from "../support/wire/zones.ts"

const mixed = {
  hosts: 4,
  rare: 4,
  crowds: 1,
  escapes: 1,
  deep: 1,
  wildcards: 2,
  aliases: 3,
  redirects: 1,
  delegations: 1
} as const

const elsewhere = ["plenty.test", "www.deep.example", "random1.test", "missing.wild.test"]

export const conformanceZones: ReadonlyArray<Zone> = [
  makeZone({ origin: "plenty.test", seed: 1, owners: 150, shares: { hosts: 3, rare: 6, crowds: 2 } }),
  makeZone({ origin: "deep.example", seed: 2, owners: 90, shares: { deep: 3, escapes: 3, hosts: 1 } }),
  makeZone({
    origin: "wild.test",
    seed: 3,
    owners: 80,
    shares: { wildcards: 4, hosts: 1, delegations: 2, redirects: 1 }
  }),
  makeZone({ origin: "chains.test", seed: 4, owners: 120, shares: { aliases: 6, redirects: 2, hosts: 1 } }),
  makeZone({ origin: "signed.test", seed: 5, owners: 60, shares: { signed: 3, hosts: 1 } }),
  makeZone({ origin: "2.0.192.in-addr.arpa", seed: 6, owners: 60, shares: { rare: 1, hosts: 1, deep: 1 } }),
  makeZone({ origin: "t", seed: 7, owners: 80, shares: mixed }),
  makeZone({ origin: "random1.test", seed: 8, owners: 100, shares: mixed }),
  makeZone({ origin: "sub.random1.test", seed: 9, owners: 60, shares: mixed }),
  makeZone({ origin: "a.very.long.origin.of.a.zone.with.many.labels.example", seed: 10, owners: 60, shares: mixed })
]

/** Whose aliases lead out of what the upstream can answer. */
export const strayZone: Zone = makeZone({
  origin: "stray.test",
  seed: 11,
  owners: 60,
  shares: { strays: 4, hosts: 1 },
  elsewhere
})
