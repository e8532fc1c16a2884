import { assert, describe, it } from "@effect/vitest"
import { textOf, type Yaml, yamlOf } from "./files.ts"
import { metricOf, metrics, seriesIn, unknownIn } from "./metrics.ts"

const dashboard = JSON.parse(textOf("deploy/grafana/dashboards/strand.json"))
const panels: ReadonlyArray<Yaml> = dashboard.panels
const expressions = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }: { expr: string }) => ({ title, expr }))
)

describe("Grafana's dashboard", () => {
  it("asks for metrics and labels that there are", () => {
    for (const { title, expr } of expressions) assert.deepStrictEqual(unknownIn(expr), [], `${title}: ${expr}`)
  })

  it("shows every metric", () => {
    const shown = new Set(expressions.flatMap(({ expr }) => seriesIn(expr).map(({ name }) => metricOf(name))))
    assert.deepStrictEqual(
      Object.keys(metrics).filter((name) => !shown.has(name)),
      []
    )
  })

  it("is for the servers that are chosen", () => {
    for (const { title, expr } of expressions) {
      for (const { name, labels } of seriesIn(expr)) assert.include(labels, "instance", `${title}: ${name}`)
    }
  })

  it("asks sources of data that are set up", () => {
    const { datasources } = yamlOf("deploy/grafana/provisioning/datasources/datasources.yaml")
    const known = datasources.map(({ uid }: Yaml) => uid)
    for (const { targets = [] } of panels) for (const { datasource } of targets) assert.include(known, datasource.uid)
    for (const { url } of datasources) assert.property(yamlOf("deploy/compose.yaml").services, new URL(url).hostname)
  })

  it("is where Grafana looks for it", () => {
    const [{ options }] = yamlOf("deploy/grafana/provisioning/dashboards/dashboards.yaml").providers
    const { volumes, environment } = yamlOf("deploy/compose.yaml").services.grafana
    assert.include(volumes, `./grafana/dashboards:${options.path}:ro`)
    assert.strictEqual(environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH, `${options.path}/strand.json`)
  })

  it("has panels that do not lie over each other, each with a number of its own", () => {
    assert.strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length)
    const taken = new Map<string, string>()
    for (const { title, gridPos } of panels) {
      assert.isAtMost(gridPos.x + gridPos.w, 24, title)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.isUndefined(taken.get(`${x},${y}`), `${title} lies over ${taken.get(`${x},${y}`)}`)
          taken.set(`${x},${y}`, title)
        }
      }
    }
  })
})

describe("the look at what an expression asks for", () => {
  it("finds metrics and labels that there are not", () => {
    assert.deepStrictEqual(unknownIn("rate(strand_dns_requests_total[5m])"), [])
    assert.deepStrictEqual(unknownIn("strand_dns_request_total"), ["strand_dns_request_total"])
    assert.deepStrictEqual(unknownIn("strand_dns_request_duration_seconds"), ["strand_dns_request_duration_seconds"])
    assert.deepStrictEqual(unknownIn('strand_ready{worker="1"}'), ["strand_ready{worker}"])
    assert.deepStrictEqual(unknownIn("sum by (upstream) (strand_ready)"), ["upstream"])
  })
})
