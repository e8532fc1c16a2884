/**
 * Takes the pictures of docs/dashboard.md from the real page: `node bench/dashboard/screenshots.ts`; with names behind it those,
 * with `all` every view's. Look at each of them before it is committed.
 */
import { mkdirSync, readFileSync } from "node:fs"
import { Effect } from "effect"
import { type Browser, chromium, type Page } from "playwright-core"
import { type Scene, startScene } from "./scene.ts"

const folder = process.env["FOLDER"] ?? "docs/images"
const WARM_UP_MS = Number(process.env["WARM_UP_MS"] ?? 90_000)

interface Shot {
  readonly name: string
  /** From the `#`. */
  readonly view: string
  readonly isDark?: boolean
  readonly isPhone?: boolean
  readonly isWhole?: boolean
  readonly prepare?: (page: Page) => Promise<void>
}

const openSlowest = async (page: Page): Promise<void> => {
  await page.locator("table.log tbody tr button.link").first().click()
  await page.locator(".waterfall").waitFor()
}

const tryChange = async (page: Page): Promise<void> => {
  await page.getByLabel("Search").fill("attempt")
  await page.getByRole("button", { name: "Edit attempt_timeout_ms" }).click()
  await page.getByRole("textbox", { name: "attempt_timeout_ms" }).fill("250")
  await page.getByRole("button", { name: "Try (dry run)" }).click()
  await page.getByText("This would change").waitFor()
}

const ask = async (page: Page): Promise<void> => {
  await page.getByLabel("Ask upstreams too").check()
  await page.getByRole("button", { name: "Explain" }).click()
  await page.getByRole("heading", { name: "Asked" }).waitFor()
}

const slow = "#/queries?suffix=reports.example.net&sort=slowest"

const shots: ReadonlyArray<Shot> = [
  { name: "overview-light", view: "#/overview", isWhole: true },
  { name: "overview-dark", view: "#/overview", isDark: true, isWhole: true },
  { name: "overview-phone", view: "#/overview", isPhone: true },
  { name: "queries-light", view: "#/queries" },
  { name: "queries-phone", view: "#/queries", isPhone: true },
  { name: "waterfall-dark", view: slow, isDark: true, prepare: openSlowest },
  { name: "waterfall-light", view: slow, prepare: openSlowest },
  { name: "waterfall-phone", view: slow, isPhone: true, isDark: true, prepare: openSlowest },
  { name: "upstreams-light", view: "#/upstreams", isWhole: true },
  { name: "upstreams-phone", view: "#/upstreams", isPhone: true },
  { name: "cache-light", view: "#/cache?name=www.example.com" },
  { name: "explain-light", view: "#/explain?name=quarterly.reports.example.net&type=A&client=127.0.0.4", prepare: ask },
  { name: "settings-dark", view: "#/settings", isDark: true, prepare: tryChange },
  { name: "settings-phone", view: "#/settings", isPhone: true, prepare: tryChange },
  { name: "server-light", view: "#/server", isWhole: true }
]

const take = async (browser: Browser, { url }: Scene, shot: Shot): Promise<void> => {
  const { isDark = false, isPhone = false, isWhole = false, name, prepare, view } = shot
  const context = await browser.newContext({
    viewport: isPhone ? { width: 360, height: 740 } : { width: 1280, height: 800 },
    deviceScaleFactor: isPhone ? 2 : 1,
    colorScheme: isDark ? "dark" : "light",
    reducedMotion: "reduce"
  })
  const page = await context.newPage()
  page.on("console", (message) => {
    if (message.type() === "error") console.error(`${name}: ${message.text()}`)
  })
  page.on("pageerror", (error) => console.error(`${name}: ${error.message}`))
  await page.goto(`${url}${view}`)
  await page.locator("main section, main table").first().waitFor()
  await page.waitForTimeout(1_500)
  await prepare?.(page).catch(async (error) => {
    await page.screenshot({ path: `${folder}/${name}.png` })
    throw error
  })
  await page.waitForTimeout(300)
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: isWhole })
  await context.close()
}

const program = Effect.gen(function* () {
  const scene = yield* startScene(160)
  yield* Effect.sleep(WARM_UP_MS)
  yield* Effect.promise(async () => {
    mkdirSync(folder, { recursive: true })
    const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] })
    const wanted = process.argv.slice(2)
    const page = readFileSync("docs/dashboard.md", "utf8")
    const isWanted = ({ name }: Shot): boolean =>
      wanted.length === 0 ? page.includes(`/${name}.png`) : wanted.includes(name) || wanted.includes("all")
    for (const shot of shots.filter(isWanted)) await take(browser, scene, shot)
    await browser.close()
  })
})

await Effect.runPromise(Effect.scoped(program))
