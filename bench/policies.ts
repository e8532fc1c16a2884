/**
 * The table of docs/upstream-policies.md: every policy over the same simulated upstreams, 20,000 questions each, a
 * thousand a second. No network, no clock: the same figures on every machine. `node bench/policies.ts`
 */
import { policies } from "../src/config/codec/policy.ts"
import {
  type Behaviour,
  losing,
  quantile,
  sharesOf,
  simulate,
  steady,
  until
} from "../test/support/upstreams/simulated-upstreams.ts"

const COUNT = 20_000
const PER_SECOND = 1_000
/** What comes before is warming up, or the time before the change in the middle. */
const FROM = 11_000
const MIDDLE_MS = 10_000

const spiky: Behaviour = (nowMs, random) => (random() < 0.1 ? 400 : steady(10)(nowMs, random))

const scenes: Readonly<Record<string, ReadonlyArray<Behaviour>>> = {
  "80, 10, 150 ms": [steady(80), steady(10), steady(150)],
  "20, 20 ms": [steady(20), steady(20)],
  "5 ms that loses a third; 12 ms": [losing(0.33, steady(5)), steady(12)],
  "10 ms, silent from the middle on; 12 ms": [until(MIDDLE_MS, steady(10), () => undefined), steady(12)],
  "300 ms, 10 ms from the middle on; 40 ms": [until(MIDDLE_MS, steady(300), steady(10)), steady(40)],
  "10 ms and every tenth time 400, twice": [spiky, spiky]
}

console.log("| upstreams | policy | p50 ms | p95 ms | p99 ms | asked first, % | sent a question |")
console.log("| --- | --- | --- | --- | --- | --- | --- |")
for (const [scene, behaviours] of Object.entries(scenes)) {
  // These upstreams are nowhere on earth, where geo is fastest.
  for (const policy of policies.filter((name) => name !== "geo")) {
    const { asked, sent } = simulate(policy, behaviours, { count: COUNT, perSecond: PER_SECOND })
    const counted = asked.slice(FROM)
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => Math.round(quantile(counted, share)))
    const shares = sharesOf(counted, behaviours.length).map((share) => Math.round(share * 100))
    const each = sent.reduce((sum, count) => sum + count, 0) / COUNT
    console.log(`| ${scene} | \`${policy}\` | ${p50} | ${p95} | ${p99} | ${shares.join(", ")} | ${each.toFixed(2)} |`)
  }
}
