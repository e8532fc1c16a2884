/** The parsers of Prometheus' own client library (Debian's python3-prometheus-client), where the machine has them. */
import { spawnSync } from "node:child_process"

const PYTHON = "/usr/bin/python3"

const program = `
import json, sys
if sys.argv[1] == "openmetrics":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
else:
    from prometheus_client.parser import text_string_to_metric_families
families = []
for family in text_string_to_metric_families(sys.stdin.read()):
    samples = [{
        "name": sample.name,
        "labels": sample.labels,
        "value": str(sample.value),
        "exemplar": sample.exemplar.labels if sample.exemplar else None
    } for sample in family.samples]
    families.append({"name": family.name, "type": family.type, "help": family.documentation, "samples": samples})
print(json.dumps(families))
`

export interface ParsedFamily {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: ReadonlyArray<{
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly value: string
    readonly exemplar: Readonly<Record<string, string>> | null
  }>
}

const isThere = spawnSync(PYTHON, ["-c", "import prometheus_client.openmetrics.parser"]).status === 0
if (!isThere && process.env["STRAND_REQUIRE_TOOLS"] === "1")
  throw new Error("python3-prometheus-client is not installed")

/** Undefined where the machine has no such parser. */
export const parseMetrics:
  | ((text: string, format: "prometheus" | "openmetrics") => ReadonlyArray<ParsedFamily>)
  | undefined = isThere
  ? (text, format) => {
      const { status, stdout, stderr } = spawnSync(PYTHON, ["-c", program, format], { input: text, encoding: "utf8" })
      if (status !== 0) throw new Error(`${format}: ${stderr}`)
      return JSON.parse(stdout)
    }
  : undefined
