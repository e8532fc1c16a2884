import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { lookForTool } from "../support/external/tools.ts"
import { pathOf, textOf, type Yaml, yamlOf } from "./files.ts"
import { unknownIn } from "./metrics.ts"

const rules: ReadonlyArray<Yaml> = yamlOf("deploy/prometheus/alerts.yaml").groups.flatMap(({ rules }: Yaml) => rules)
const promtool = lookForTool("promtool")

const run = (...args: ReadonlyArray<string>): void => {
  const { status, stdout, stderr } = spawnSync(promtool!, args, { encoding: "utf8" })
  assert.strictEqual(status, 0, stdout + stderr)
}

describe("the alerts", () => {
  it("look at metrics and labels that there are", () => {
    for (const { alert, expr } of rules) assert.deepStrictEqual(unknownIn(expr), [], alert)
  })

  it("each have a name of their own, how bad it is, and a text", () => {
    assert.strictEqual(new Set(rules.map(({ alert }) => alert)).size, rules.length)
    for (const { alert, labels, annotations } of rules) {
      assert.match(alert, /^Strand[A-Z]/)
      assert.include(["critical", "warning", "info"], labels.severity, alert)
      assert.isNotEmpty(annotations.summary, alert)
    }
  })

  it("are in the manual, with what to do", () => {
    const manual = textOf("docs/operations.md")
    for (const { alert } of rules) assert.include(manual, `| \`${alert}\` |`)
  })

  it.skipIf(promtool === undefined)("are what Prometheus can read", () => {
    run("check", "rules", pathOf("deploy/prometheus/alerts.yaml"))
    run("check", "config", "--syntax-only", pathOf("deploy/prometheus/prometheus.yml"))
  })

  it.skipIf(promtool === undefined)("are raised when they should be", () => {
    run("test", "rules", pathOf("deploy/prometheus/alerts.test.yaml"))
  })
})
