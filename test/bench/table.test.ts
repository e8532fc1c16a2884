import { assert, describe, it } from "@effect/vitest"
import { type Row, ratios, type WorkloadResult } from "../../bench/report/results.ts"
import { formatFigure, formatWorkload } from "../../bench/report/table.ts"
import type { Figure, Figures } from "../../bench/workloads/workload.ts"

const figures: ReadonlyArray<Figure> = [
  { key: "speed", title: "q/s", digits: 0, better: "more" },
  { key: "cost", title: "CPU µs", digits: 2, better: "less" },
  { key: "lost", title: "lost", digits: 0 }
]

const row = (server: string, role: Row["role"], rounds: ReadonlyArray<Figures>, variant = ""): Row => ({
  server,
  role,
  variant,
  rounds
})

const rows = [
  row("strand", "strand", [
    { speed: 90_000, cost: 6, lost: 0 },
    { speed: 110_000, cost: 4, lost: 0 },
    { speed: 100_000, cost: 5, lost: 3 }
  ]),
  row("quick", "peer", [{ speed: 200_000, cost: 10, lost: 0 }]),
  row("thrifty", "peer", [{ speed: 50_000, cost: 2.5, lost: 0 }]),
  row("floor", "floor", [{ speed: 400_000, cost: 2, lost: 0 }])
]

const result: WorkloadResult = {
  name: "hot",
  title: "Hot",
  method: "A thousand names.",
  figures,
  rows,
  problems: ["slow: no answer"]
}

describe("ratios", () => {
  it("set Strand's medians against the best peer of each figure, and only figures of which one is better", () => {
    assert.deepStrictEqual(ratios(rows, figures, "peer"), [
      { key: "speed", ratio: 0.5, against: "quick" },
      { key: "cost", ratio: 2, against: "thrifty" }
    ])
  })

  it("set it against the floor apart from the peers", () => {
    assert.deepStrictEqual(
      ratios(rows, figures, "floor").map(({ ratio }) => ratio),
      [0.25, 2.5]
    )
  })

  it("leave out a peer's figure that could not be measured", () => {
    const broken = [...rows.slice(0, 2), row("thrifty", "peer", [{ speed: 50_000, cost: Number.NaN, lost: 0 }])]
    assert.strictEqual(ratios(broken, figures, "peer")[1]?.against, "quick")
  })

  it("are none where Strand was not measured, or nobody else was", () => {
    assert.deepStrictEqual(ratios(rows.slice(1), figures, "peer"), [])
    assert.deepStrictEqual(ratios(rows.slice(0, 1), figures, "peer"), [])
  })
})

describe("formatWorkload", () => {
  it("draws a table for a terminal", () => {
    assert.strictEqual(
      formatWorkload(result, "text"),
      `── Hot

A thousand names.

                           q/s        CPU µs  lost
strand                 100,000          5.00     0
quick                  200,000         10.00     0
thrifty                 50,000          2.50     0
floor                  400,000          2.00     0
strand ÷ best peer  0.50 quick  2.00 thrifty
strand ÷ floor            0.25          2.50

Not measured: slow: no answer`
    )
  })

  it("draws the same in Markdown", () => {
    const lines = formatWorkload(result, "markdown").split("\n")
    assert.strictEqual(lines[0], "### Hot")
    assert.deepStrictEqual(lines.slice(4, 7), [
      "|  | q/s | CPU µs | lost |",
      "| --- | ---: | ---: | ---: |",
      "| strand | 100,000 | 5.00 | 0 |"
    ])
    assert.include(lines, "| strand ÷ best peer | 0.50 quick | 2.00 thrifty |  |")
  })

  it("compares rows of the same variant only", () => {
    const variants = [
      row("strand", "strand", [{ speed: 1, cost: 1, lost: 0 }], "1 thread"),
      row("quick", "peer", [{ speed: 2, cost: 1, lost: 0 }], "1 thread"),
      row("strand", "strand", [{ speed: 3, cost: 1, lost: 0 }], "2 threads"),
      row("quick", "peer", [{ speed: 2, cost: 1, lost: 0 }], "2 threads")
    ]
    const text = formatWorkload({ ...result, rows: variants }, "text")
    assert.match(text, /strand ÷ best peer, 1 thread +0\.50 quick/)
    assert.match(text, /strand ÷ best peer, 2 threads +1\.50 quick/)
  })
})

describe("formatFigure", () => {
  it("groups thousands, and shows a dash for what could not be measured", () => {
    assert.strictEqual(formatFigure(1234.5, { digits: 2 }), "1,234.50")
    assert.strictEqual(formatFigure(Number.NaN, { digits: 0 }), "–")
  })
})
