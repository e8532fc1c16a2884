/**
 * How evenly the page is drawn while the server answers many queries: `node bench/dashboard/redraws.ts [RATE] [SECONDS]`.
 *
 * dnsperf asks at that rate; the real browser shows a view; between two frames there should be 16.7 ms.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Fiber } from "effect"
import { type Browser, chromium } from "playwright-core"
import { send } from "../load/dnsperf.ts"
import { startScene } from "./scene.ts"

const rate = Number(process.argv[2] ?? 10_000)
const seconds = Number(process.argv[3] ?? 15)

/** What the page measures of itself, as text: it runs in the browser. */
const measuring = (ms: number): string => `new Promise((resolve) => {
  const gaps = []
  const tasks = []
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" })
  const began = performance.now()
  let last = began
  const frame = (now) => {
    gaps.push(now - last)
    last = now
    if (now - began < ${ms}) requestAnimationFrame(frame)
    else resolve({ gaps: gaps.slice(1), tasks })
  }
  requestAnimationFrame(frame)
})`

interface Measured {
  readonly gaps: ReadonlyArray<number>
  readonly tasks: ReadonlyArray<number>
}

const measure = async (browser: Browser, url: string): Promise<string> => {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  await page.goto(url)
  await page.locator("main table tbody tr").first().waitFor()
  await page.waitForTimeout(1_000)
  const session = await page.context().newCDPSession(page)
  await session.send("Performance.enable", { timeDomain: "threadTicks" })
  const used = async (): Promise<ReadonlyMap<string, number>> => {
    const { metrics } = await session.send("Performance.getMetrics")
    return new Map(metrics.map(({ name, value }) => [name, value]))
  }
  const before = await used()
  const { gaps, tasks } = (await page.evaluate(measuring(seconds * 1000))) as Measured
  const after = await used()
  const share = (name: string): string =>
    `${((((after.get(name) ?? 0) - (before.get(name) ?? 0)) / seconds) * 100).toFixed(1)} %`
  const rows = await page.locator("table.log tbody tr").count()
  await page.close()
  const sorted = [...gaps].sort((a, b) => a - b)
  const at = (share: number): string =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(1)
  const late = gaps.filter((ms) => ms > 50).length
  return [
    `${(gaps.length / seconds).toFixed(1)} frames a second`,
    `between two: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, 99 % ${at(0.99)} ms, longest ${at(1)} ms`,
    `${late} of ${gaps.length} later than 50 ms`,
    `${tasks.length} tasks longer than 50 ms${tasks.length > 0 ? `, longest ${Math.max(...tasks).toFixed(0)} ms` : ""}`,
    `${share("ThreadTime")} of a processor for the page's thread (script ${share("ScriptDuration")}, style ${share("RecalcStyleDuration")}, layout ${share("LayoutDuration")})`,
    `${rows} rows`
  ].join("; ")
}

const program = Effect.gen(function* () {
  const scene = yield* startScene(0)
  const folder = mkdtempSync(join(tmpdir(), "strand-redraws-"))
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
  const questions = join(folder, "questions")
  writeFileSync(questions, Array.from({ length: 500 }, (_, i) => `host${i}.example.com A\n`).join(""))
  const browser = yield* Effect.acquireRelease(
    Effect.promise(() => chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] })),
    (opened) => Effect.promise(() => opened.close())
  )
  const load = yield* Effect.forkScoped(
    send({ port: scene.port, questions, seconds: 2 * seconds + 12, waiting: 200, rate }, folder)
  )
  yield* Effect.sleep(2_000)
  for (const view of ["#/queries", "#/overview"]) {
    console.log(`${view}: ${yield* Effect.promise(() => measure(browser, `${scene.url}${view}`))}`)
  }
  console.log("dnsperf:", yield* Fiber.join(load))
})

await Effect.runPromise(Effect.scoped(program))
