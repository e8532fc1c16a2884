import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../support/machine/ports.ts"
import { until } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { ask } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"
import { textOf, type Yaml, yamlOf } from "./files.ts"
import { metricOf, metrics } from "./metrics.ts"

/** Labels whose values do not depend on who asks, or on what: those that are asked for have to be there. */
const FIXED = ["state", "quantile"]

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

/** The samples of Prometheus' text format. */
const samplesIn = (text: string): ReadonlyArray<Sample> =>
  [...text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)].map(([, name, labels = ""]) => ({
    name: name!,
    labels: Object.fromEntries([...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value]))
  }))

/** What a server exports that has asked an upstream, and found an answer in its cache. */
const exported = Effect.gen(function* () {
  const upstream = yield* fakeUpstream(address("192.0.2.1"))
  const admin = `127.0.0.1:${yield* freePort}`
  const server = yield* startListening({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_ADMIN: admin })
  for (const tcp of [false, true]) yield* ask(server.port, { name: "www.example.test", tcp })
  yield* until("the admin side", () => server.output().includes(admin))
  return yield* Effect.promise(async () => (await fetch(`http://${admin}/metrics`)).text())
})

/** What dashboards and alerts ask for. */
const expressions: ReadonlyArray<string> = [
  ...JSON.parse(textOf("deploy/grafana/dashboards/strand.json")).panels.flatMap(({ targets = [] }: Yaml) =>
    targets.map(({ expr }: Yaml) => expr)
  ),
  ...yamlOf("deploy/prometheus/alerts.yaml").groups.flatMap(({ rules }: Yaml) => rules.map(({ expr }: Yaml) => expr))
]

describe("what the server exports", () => {
  it.live("has all metrics that dashboards and alerts may ask for, of their kinds and with their labels", () =>
    Effect.gen(function* () {
      const text = yield* exported
      const samples = samplesIn(text)
      for (const [name, { kind, labels }] of Object.entries(metrics)) {
        assert.include(text, `# TYPE ${name} ${kind}\n`)
        for (const sample of samples.filter((one) => metricOf(one.name) === name)) {
          const expected = sample.name.endsWith("_bucket") ? [...labels, "le"] : labels
          assert.deepStrictEqual(Object.keys(sample.labels).sort(), [...expected].sort(), sample.name)
        }
      }
      for (const expression of expressions) {
        for (const [, name, matchers = ""] of expression.matchAll(/\b(strand_\w+)\{([^}]*)\}/g)) {
          for (const [, label, value] of matchers.matchAll(/(\w+)="([^"]*)"/g)) {
            if (!FIXED.includes(label!)) continue
            const isThere = samples.some((sample) => sample.name === name && sample.labels[label!] === value)
            assert.isTrue(isThere, `${name}{${label}="${value}"}`)
          }
        }
      }
    }).pipe(Effect.scoped)
  )
})
